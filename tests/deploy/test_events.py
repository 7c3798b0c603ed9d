"""The script that LocalStack runs, against a real emulator of SNS and SQS (moto's server), with Amazon's own client."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from conftest import ROOT, accepts, env_file, free_port, wait_for

SCRIPT = ROOT / "deploy/localstack/10-events.sh"
TOOLS = Path(sys.executable).parent


@pytest.fixture
def emulator():
    port = free_port()
    process = subprocess.Popen(
        [TOOLS / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: accepts(port), "moto does not answer", process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def run(endpoint):
    environment = {
        **os.environ,
        "AWS_CLI": f"{TOOLS / 'aws'} --endpoint-url {endpoint}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    ran = subprocess.run(["bash", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return dict(line.split("=", 1) for line in ran.stdout.splitlines())


def test_topic_queues_and_subscription(emulator):
    told = run(emulator)
    assert run(emulator) == told, "a second run changes nothing"

    keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sns, sqs = (boto3.client(service, endpoint_url=emulator, **keys) for service in ("sns", "sqs"))
    topic, queue = told["FLASH_SNS_TOPIC_ARN"], told["FLASH_SQS_QUEUE_URL"]

    # What aws.env tells the server is what the script makes.
    expected = env_file(ROOT / "deploy/aws.env")
    assert topic.split(":", 5)[5] == expected["FLASH_SNS_TOPIC_ARN"].split(":", 5)[5]
    assert topic.split(":")[:4] == expected["FLASH_SNS_TOPIC_ARN"].split(":")[:4]
    assert queue.rpartition("/")[2] == expected["FLASH_SQS_QUEUE_URL"].rpartition("/")[2]

    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["FifoQueue"] == "true"
    policy = json.loads(attributes["Policy"])["Statement"]
    assert [statement["Condition"]["ArnEquals"]["aws:SourceArn"] for statement in policy] == [topic]
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert len(subscriptions) == 1 and subscriptions[0]["Endpoint"] == attributes["QueueArn"]

    # In order per promotion, once per event, as it was published (raw).
    for v, deduplication in [(1, "a"), (2, "b"), (2, "b"), (3, "c")]:
        sns.publish(TopicArn=topic, Message=json.dumps({"v": v}), MessageGroupId="promotion", MessageDeduplicationId=deduplication)
    bodies, until = [], time.monotonic() + 20
    while len(bodies) < 3 and time.monotonic() < until:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        bodies += [json.loads(message["Body"])["v"] for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert bodies == [1, 2, 3]

    # A message that nobody can handle ends in the dead letter queue after five receives.
    redrive = json.loads(attributes["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 5
    sns.publish(TopicArn=topic, Message="poison", MessageGroupId="promotion", MessageDeduplicationId="d")
    dead = sqs.get_queue_url(QueueName=redrive["deadLetterTargetArn"].rpartition(":")[2])["QueueUrl"]
    receive = {"MaxNumberOfMessages": 1, "VisibilityTimeout": 0, "WaitTimeSeconds": 0}
    for _ in range(7):
        sqs.receive_message(QueueUrl=queue, **receive)
    found = sqs.receive_message(QueueUrl=dead, **receive).get("Messages", [])
    assert [message["Body"] for message in found] == ["poison"]
