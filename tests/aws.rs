//! Notifications through SNS and SQS: the real binary against the emulator (PyPI `moto`) behind a proxy that loses answers,
//! fails entries of batches, delays and goes away; poison ends in the dead-letter queue and comes back from there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/crowd.rs"]
mod crowd;
#[path = "aws/proxy.rs"]
mod proxy;

use common::{Person, Server, command};
use crowd::{metric, people};
use flash_domain::time::UnixMillis;
use proxy::{Fault, Proxy, RECEIVE};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything is waited for; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(90);
const REGION: &str = "us-east-1";

/// The emulator: the one that `scripts/with-services` started, or one of the test's own.
struct Emulator {
    url: String,
    child: Option<Child>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn emulator() -> Emulator {
    if let Ok(url) = std::env::var("FLASH_TEST_AWS_URL") {
        return Emulator { url, child: None };
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv-aws/bin/moto_server");
    let child = Command::new(program)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run scripts/install-test-deps first");
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the emulator did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Emulator { url: format!("http://127.0.0.1:{port}"), child: Some(child) }
}

/// The emulator by hand: it looks at the scope of a signature only.
struct Direct {
    http: reqwest::Client,
    url: String,
}

impl Direct {
    async fn post(&self, service: &str, headers: &[(&str, String)], body: String) -> String {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut request = self.http.post(format!("{}/", self.url)).header("authorization", scope).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{text}");
        text
    }

    async fn sns(&self, form: &str) -> String {
        let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
        self.post("sns", &[kind], format!("Version=2010-03-31&{form}")).await
    }

    async fn sqs(&self, action: &str, body: Value) -> Value {
        let kind = ("content-type", "application/x-amz-json-1.0".to_owned());
        let target = ("x-amz-target", format!("AmazonSQS.{action}"));
        let text = self.post("sqs", &[kind, target], body.to_string()).await;
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn attribute(&self, queue: &str, name: &str) -> String {
        let answer =
            self.sqs("GetQueueAttributes", json!({"QueueUrl": queue, "AttributeNames": [name]})).await;
        answer["Attributes"][name].as_str().unwrap().to_owned()
    }
}

/// What stands between two tags, each time.
fn texts<'a>(xml: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

/// Topic, queue, dead-letter queue and subscription, straight at the emulator.
struct Mail {
    topic: String,
    queue: String,
    dead: String,
    direct: Direct,
}

async fn mail(url: &str) -> Mail {
    let direct = Direct { http: reqwest::Client::new(), url: url.to_owned() };
    let name = uuid::Uuid::now_v7().simple().to_string();
    let made = direct
        .sns(&format!(
            "Action=CreateTopic&Name={name}.fifo&Attributes.entry.1.key=FifoTopic&Attributes.entry.1.value=true"
        ))
        .await;
    let topic = texts(&made, "TopicArn")[0].to_owned();
    let queue = async |name: String, policy: Option<Value>| {
        let mut attributes = json!({"FifoQueue": "true"});
        if let Some(policy) = policy {
            attributes["RedrivePolicy"] = json!(policy.to_string());
        }
        let made = direct.sqs("CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await;
        made["QueueUrl"].as_str().unwrap().to_owned()
    };
    let dead = queue(format!("{name}-dead.fifo"), None).await;
    let arn = direct.attribute(&dead, "QueueArn").await;
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 3});
    let queue = queue(format!("{name}.fifo"), Some(policy)).await;
    let arn = direct.attribute(&queue, "QueueArn").await;
    direct.sns(&format!("Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint={arn}")).await;
    Mail { topic, queue, dead, direct }
}

fn settings(command: &mut Command, endpoint: &str, mail: &Mail) {
    let queue = mail.queue.splitn(4, '/').nth(3).unwrap();
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("FLASH_SNS_TOPIC_ARN", &mail.topic)
        .env("FLASH_SQS_QUEUE_URL", format!("{endpoint}/{queue}"));
}

fn serve(directory: &std::path::Path, endpoint: &str, mail: &Mail) -> Server {
    let database = format!("sqlite:{}", directory.join("t.db").display());
    let mut command = command(&["serve"], &database, directory);
    settings(&mut command, endpoint, mail);
    Server::spawn(command)
}

async fn inbox(server: &Server, person: &Person) -> Vec<Value> {
    let answer = server.must(200, "GET", "/api/v1/notifications?limit=100", Some(&person.token), None).await;
    answer["items"].as_array().unwrap().clone()
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < end, "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// I23, I24: through every fault, each follower has each sale once; poison is put aside, listed, and sent again.
#[tokio::test(flavor = "multi_thread")]
async fn i23_i24_everybody_is_told_once_through_every_fault() {
    let emulator = emulator();
    let mail = mail(&emulator.url).await;
    let proxy = Proxy::start(&emulator.url);
    let directory = tempfile::tempdir().unwrap();
    let server = serve(directory.path(), &proxy.url, &mail);
    let mut shops = Vec::new();
    let follower = server.register("follower", "shopper").await;
    let wishes = json!({"notification_preferences": {"timezone": "UTC"}});
    server.must(200, "PATCH", "/api/v1/me", Some(&follower.token), Some(&wishes)).await;
    for _ in 0..3 {
        let shop = server.shop().await;
        let path = format!("/api/v1/stores/{}/follow", shop.store);
        server.must(204, "PUT", &path, Some(&follower.token), None).await;
        shops.push(shop);
    }
    // Poison first, in a group of its own: it is no event and never will be.
    let poison = json!({"QueueUrl": mail.queue, "MessageBody": "no event", "MessageGroupId": "poison",
        "MessageDeduplicationId": "poison"});
    mail.direct.sqs("SendMessage", poison).await;

    proxy.fault(Fault::LoseAnswer, "PublishBatch", 2);
    proxy.fault(Fault::FailEntry, "PublishBatch", 2);
    proxy.fault(Fault::FailEntry, "DeleteMessageBatch", 1);
    proxy.fault(Fault::LoseAnswer, "DeleteMessageBatch", 1);
    proxy.fault(Fault::Twice, "PublishBatch", 1);
    proxy.fault(Fault::Delay, RECEIVE, 2);
    proxy.fault(Fault::Twice, RECEIVE, 2);
    proxy.fault(Fault::Reverse, RECEIVE, 1);
    server.launch(&shops[0], json!({})).await;
    server.launch(&shops[1], json!({})).await;
    proxy.away(true);
    server.launch(&shops[2], json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.away(false);
    until(async || inbox(&server, &follower).await.len() == 3).await;
    let dead = async || mail.direct.attribute(&mail.dead, "ApproximateNumberOfMessages").await;
    until(async || dead().await == "1").await;
    // What comes in the opposite order needs two messages at once: more sales, beyond the number of the day.
    until(async || {
        if proxy.faults_left() > 0 {
            server.launch(&shops[0], json!({})).await;
            server.launch(&shops[0], json!({})).await;
        }
        proxy.faults_left() == 0
    })
    .await;

    let run = |arguments: &[&str]| {
        let database = format!("sqlite:{}", directory.path().join("t.db").display());
        let mut command = command(arguments, &database, directory.path());
        settings(&mut command, &proxy.url, &mail);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Listing hides nothing: neither from the next list nor from who sends it again, at once.
    assert!(run(&["dlq", "list"]).contains(" no event\n"));
    assert!(run(&["dlq", "list"]).contains(" no event\n"));
    assert!(run(&["dlq", "redrive"]).contains("1 messages were sent"));
    until(async || dead().await == "1").await;

    let items = inbox(&server, &follower).await;
    assert_eq!(items.len(), 3, "{items:?}");
    let stores: std::collections::HashSet<_> =
        items.iter().map(|item| item["store"]["id"].as_str()).collect();
    assert_eq!(stores.len(), 3);
}

/// I23: `kill -9` of the server before an event was published, and again and again in the middle of its audience, while the
/// event is published twice and stays in the queue to come once more: everybody has it once, and nothing is left over.
#[tokio::test(flavor = "multi_thread")]
async fn i23_a_server_killed_in_the_middle_of_an_audience_tells_everybody_once() {
    const PEOPLE: usize = 10_000;
    let emulator = emulator();
    let mail = mail(&emulator.url).await;
    let proxy = Proxy::start(&emulator.url);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.db");
    let database = format!("sqlite:{}", file.display());
    assert!(command(&["migrate"], &database, directory.path()).status().unwrap().success());
    let (stores, ids) = people(&file, PEOPLE).await;
    stores.close().await;
    let mut server = serve(directory.path(), &proxy.url, &mail);
    let shop = server.shop().await;
    // Committed, and nowhere but in the database yet.
    proxy.away(true);
    server.launch(&shop, json!({})).await;
    server.kill();
    proxy.away(false);
    proxy.fault(Fault::LoseAnswer, "PublishBatch", 1);
    // The client tries three times.
    proxy.fault(Fault::LoseRequest, "DeleteMessageBatch", 3);
    server = serve(directory.path(), &proxy.url, &mail);
    let (mut kills, mut told) = (0, 0);
    while kills < 3 && told + 1_000 < PEOPLE as u64 {
        let end = Instant::now() + PATIENCE;
        while metric(&server, "flash_notified_people_total").await < 500 {
            assert!(Instant::now() < end, "nobody was told");
        }
        server.kill();
        let (stores, _) = people(&file, 0).await;
        told = stores.inbox.delivery_stats(None, UnixMillis(0)).await.unwrap().total;
        stores.close().await;
        kills += u32::from(told < PEOPLE as u64);
        server = serve(directory.path(), &proxy.url, &mail);
    }
    assert!(kills > 0, "the audience was finished before the first kill");
    let path = format!("/api/v1/stores/{}/notification-stats", shop.store);
    let stats = async || server.must(200, "GET", &path, Some(&shop.merchant.token), None).await;
    until(async || stats().await["total"] == PEOPLE).await;
    until(async || proxy.faults_left() == 0).await;
    for name in ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] {
        until(async || mail.direct.attribute(&mail.queue, name).await == "0").await;
    }
    assert_eq!(mail.direct.attribute(&mail.dead, "ApproximateNumberOfMessages").await, "0");
    let stats = stats().await;
    assert_eq!((&stats["total"], &stats["unique_users"]), (&json!(PEOPLE), &json!(PEOPLE)), "{stats}");
    server.kill();
    let (stores, _) = people(&file, 0).await;
    for id in ids {
        assert_eq!(stores.inbox.items(id, false, None, 10).await.unwrap().items.len(), 1);
    }
}

/// A push goes through the endpoint of each device and counts as sent; an endpoint that the platform disabled is deleted with
/// its device, and a push that reached nobody does not count against the person's day.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_go_through_platform_endpoints() {
    let emulator = emulator();
    let mail = mail(&emulator.url).await;
    let name = uuid::Uuid::now_v7().simple().to_string();
    let made = mail
        .direct
        .sns(&format!(
            "Action=CreatePlatformApplication&Name={name}&Platform=GCM&Attributes.entry.1.key=PlatformCredential\
             &Attributes.entry.1.value=key"
        ))
        .await;
    let application = texts(&made, "PlatformApplicationArn")[0].to_owned();
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", directory.path().join("t.db").display());
    let mut serve = command(&["serve"], &database, directory.path());
    settings(&mut serve, &emulator.url, &mail);
    serve.env("FLASH_SNS_FCM_ARN", &application);
    let server = Server::spawn(serve);
    let shop = server.shop().await;
    let follower = server.register("follower", "shopper").await;
    let token = Some(follower.token.as_str());
    server.must(204, "PUT", &format!("/api/v1/stores/{}/follow", shop.store), token, None).await;
    for phone in ["a-token-of-one-phone", "a-token-of-another-phone"] {
        let device = json!({"platform": "fcm", "token": phone});
        server.must(201, "POST", "/api/v1/devices", token, Some(&device)).await;
    }
    let stats = async || {
        let path = format!("/api/v1/stores/{}/notification-stats", shop.store);
        server.must(200, "GET", &path, Some(&shop.merchant.token), None).await["by_status"].clone()
    };
    let endpoints = async || {
        let list = format!("Action=ListEndpointsByPlatformApplication&PlatformApplicationArn={application}");
        let found = mail.direct.sns(&list).await;
        texts(&found, "EndpointArn").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    server.launch(&shop, json!({})).await;
    until(async || stats().await == json!({"stored": 1, "sent": 1})).await;
    until(async || endpoints().await.len() == 2).await;

    for endpoint in endpoints().await {
        let disable = format!(
            "Action=SetEndpointAttributes&EndpointArn={endpoint}&Attributes.entry.1.key=Enabled&Attributes.entry.1.value=false"
        );
        mail.direct.sns(&disable).await;
    }
    server.launch(&shop, json!({})).await;
    until(async || stats().await == json!({"stored": 2, "sent": 1, "failed": 1})).await;
    until(async || endpoints().await.is_empty()).await;
    // Two of this store are the number of the day, and one of the two did not count. The devices are gone: nothing to push.
    server.launch(&shop, json!({})).await;
    until(async || stats().await == json!({"stored": 3, "sent": 1, "failed": 1})).await;
}
