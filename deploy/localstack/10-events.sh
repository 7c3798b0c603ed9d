#!/bin/bash
# Creates what notifications need, as terraform/modules/events does on AWS: a FIFO topic, its FIFO queue with a dead letter
# queue, the subscription (raw), and the policy that lets the topic deliver. Run by LocalStack when it is ready; running
# it again changes nothing. AWS_CLI is the client (awslocal in LocalStack's image).
set -euo pipefail

aws=${AWS_CLI:-awslocal}
name=${EVENTS_NAME:-flash-promos-events}

topic=$($aws sns create-topic --name "$name.fifo" \
  --attributes FifoTopic=true,ContentBasedDeduplication=false --query TopicArn --output text)
dead=$($aws sqs create-queue --queue-name "$name-dlq.fifo" \
  --attributes FifoQueue=true,MessageRetentionPeriod=1209600 --query QueueUrl --output text)
dead_arn=$($aws sqs get-queue-attributes --queue-url "$dead" --attribute-names QueueArn \
  --query Attributes.QueueArn --output text)
queue=$($aws sqs create-queue --queue-name "$name.fifo" --attributes FifoQueue=true --query QueueUrl --output text)
queue_arn=$($aws sqs get-queue-attributes --queue-url "$queue" --attribute-names QueueArn \
  --query Attributes.QueueArn --output text)

# Set apart from the creation, so that a second run with other values does not fail on the existing queue.
$aws sqs set-queue-attributes --queue-url "$queue" --attributes "$(cat <<JSON
{
  "VisibilityTimeout": "60",
  "ReceiveMessageWaitTimeSeconds": "20",
  "MessageRetentionPeriod": "1209600",
  "DeduplicationScope": "messageGroup",
  "FifoThroughputLimit": "perMessageGroupId",
  "RedrivePolicy": "{\"deadLetterTargetArn\":\"$dead_arn\",\"maxReceiveCount\":\"5\"}",
  "Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"$queue_arn\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"$topic\"}}}]}"
}
JSON
)"
$aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint "$queue_arn" \
  --attributes RawMessageDelivery=true >/dev/null

echo "FLASH_SNS_TOPIC_ARN=$topic"
echo "FLASH_SQS_QUEUE_URL=$queue"
