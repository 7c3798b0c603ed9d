# What the collector does: it asks the server for its numbers every 15 s and writes those that scaling, alarms and people
# look at to CloudWatch, per service; traces go to X-Ray.

locals {
  collector = yamlencode({
    receivers = {
      prometheus = {
        config = {
          scrape_configs = [{
            job_name        = "flash-promos"
            scrape_interval = "15s"
            static_configs  = [{ targets = ["127.0.0.1:8080"] }]
          }]
        }
      }
      otlp = { protocols = { http = { endpoint = "127.0.0.1:4318" } } }
    }
    processors = {
      memory_limiter = { check_interval = "1s", limit_mib = 200 }
      batch          = {}
      # Alarms and scaling find the service by these.
      resource = {
        attributes = [
          { key = "ClusterName", value = var.name, action = "upsert" },
          { key = "ServiceName", value = var.name, action = "upsert" },
        ]
      }
    }
    exporters = {
      awsemf = {
        namespace                        = local.metrics_namespace
        log_group_name                   = "/${var.name}/metrics"
        resource_to_telemetry_conversion = { enabled = true }
        dimension_rollup_option          = "NoDimensionRollup"
        metric_declarations = [{
          dimensions            = [["ClusterName", "ServiceName"]]
          metric_name_selectors = ["^flash_.*"]
        }]
      }
      awsxray = {}
    }
    service = {
      pipelines = {
        metrics = {
          receivers  = ["prometheus"]
          processors = ["memory_limiter", "resource", "batch"]
          exporters  = ["awsemf"]
        }
        traces = {
          receivers  = ["otlp"]
          processors = ["memory_limiter", "batch"]
          exporters  = ["awsxray"]
        }
      }
    }
  })
}

resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${var.name}/metrics"
  retention_in_days = 365
  kms_key_id        = var.key_arn
}
