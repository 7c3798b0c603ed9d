//! Processes that end badly: killed at any moment, or with a disk that is full. A child of this test commits and says so
//! on its standard output; what it acknowledged must be there afterwards, whole, and once (I18, I19).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::PortError;
use flash_domain::ids::PromotionId;
use flash_promos::adapters::lock::{DatabaseLock, LockError};
use flash_promos::adapters::{DatabaseUrl, Stores, redis};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CLAIMS: u32 = 20;

/// The child: loads the promotion and commits until it is killed or a commit fails, and prints `acked N` after each.
#[tokio::test]
#[ignore = "runs as a child of the tests below"]
async fn child() {
    let (url, id) = (std::env::var("CHILD_URL").unwrap(), std::env::var("CHILD_PROMOTION").unwrap());
    let stores = Stores::open(&DatabaseUrl::parse(&url).unwrap()).await.unwrap();
    let id = id.parse::<PromotionId>().unwrap();
    let loaded = stores.store.load(id).await.unwrap().unwrap();
    for seq in 1..=20_000_i64 {
        let claims = (0..CLAIMS).map(|_| held(&loaded.record, flash_domain::ids::UserId(id.0))).collect();
        let mut change = commit(&loaded.record, loaded.epoch, loaded.commit_seq + seq, claims);
        change.counters.held = CLAIMS * (loaded.commit_seq + seq) as u32;
        let answer = match stores.store.commit(vec![change.into()]).await {
            Ok(committed) => {
                assert!(committed.stale.is_empty());
                format!("acked {}", loaded.commit_seq + seq)
            }
            Err(PortError::OutcomeUnknown(error)) => format!("unknown {error}"),
            Err(error) => format!("failed {error}"),
        };
        writeln!(std::io::stdout(), "\n{answer}").unwrap();
        if !answer.starts_with("acked") {
            return;
        }
    }
}

/// Starts the child; with a limit, no file may grow beyond so many blocks of 512 bytes.
fn start(url: &str, id: PromotionId, file_blocks_max: Option<u32>) -> Child {
    let limit = file_blocks_max.map_or(String::new(), |blocks| format!("trap '' XFSZ; ulimit -f {blocks}; "));
    Command::new("sh")
        .arg("-c")
        .arg(format!("{limit}exec \"$0\" --exact endings::child --ignored --nocapture --test-threads=1"))
        .arg(std::env::current_exe().unwrap())
        .env("CHILD_URL", url)
        .env("CHILD_PROMOTION", id.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads the child's answers until it has acknowledged `enough` or ends; gives the last acknowledged and the last line.
fn read(child: &mut Child, enough: i64) -> (i64, String) {
    let (mut acked, mut last) = (0, String::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(seq) = line.strip_prefix("acked ") {
            acked = seq.parse().unwrap();
        }
        if ["acked ", "unknown ", "failed "].iter().any(|start| line.starts_with(start)) {
            last = line;
        }
        if acked >= enough {
            // The pipe stays open until here, so that the child is not stopped by it.
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
    (acked, last)
}

/// What is there: the last commit, all of its claims, and no disagreement.
async fn last_commit(place: &Place, id: PromotionId) -> i64 {
    let stores = place.open().await;
    let report = stores.store.audit().await.unwrap();
    assert_eq!(report.disagreement, None);
    let loaded = stores.store.load(id).await.unwrap().unwrap();
    assert_eq!(loaded.claims.len() as i64, loaded.commit_seq * i64::from(CLAIMS));
    stores.close().await;
    loaded.commit_seq
}

async fn kills(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(1_000_000).await;
    world.stores.close().await;
    let mut there = 0;
    for enough in [1, 2, 7, 30] {
        let mut child = start(place.url(), record.id, None);
        let (acked, last) =
            tokio::task::spawn_blocking(move || read(&mut child, there + enough)).await.unwrap();
        assert!(acked >= there + enough, "{last}");
        let found = last_commit(&place, record.id).await;
        assert!(found >= acked, "acknowledged {acked}, found {found}");
        there = found;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_on_sqlite() {
    kills(Place::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_on_postgres() {
    kills(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_acknowledges_nothing() {
    for blocks in [800, 1_500, 3_001, 6_007] {
        let place = Place::sqlite().await;
        let world = World::new(place.ready().await).await;
        let record = world.live(1_000_000).await;
        world.stores.close().await;
        let mut child = start(place.url(), record.id, Some(blocks));
        let (acked, last) = tokio::task::spawn_blocking(move || read(&mut child, i64::MAX)).await.unwrap();
        assert!(acked > 0 && !last.starts_with("acked"), "{last}");
        let found = last_commit(&place, record.id).await;
        if last.starts_with("unknown") {
            assert!(found == acked || found == acked + 1, "{last}: acknowledged {acked}, found {found}");
        } else {
            assert_eq!(found, acked, "{last}");
        }
    }
}

/// One process serves a file; the lock is there for the next as soon as the last is gone.
#[test]
fn a_database_has_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/flash.db");
    let held = DatabaseLock::acquire(&path, Duration::ZERO).unwrap();
    assert!(matches!(DatabaseLock::acquire(&path, Duration::ZERO), Err(LockError::Held(_))));
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || DatabaseLock::acquire(&path, Duration::from_secs(60)).map(drop)
    });
    drop(held);
    waiting.join().unwrap().unwrap();
    let nowhere = std::path::Path::new("/dev/null/flash.db");
    assert!(matches!(DatabaseLock::acquire(nowhere, Duration::ZERO), Err(LockError::Io(..))));
}

#[test]
fn database_urls_are_understood() {
    let sqlite = |path: &str| DatabaseUrl::Sqlite(path.into());
    for (text, url) in [
        ("sqlite:///var/lib/flash.db", sqlite("/var/lib/flash.db")),
        ("sqlite://data/flash.db", sqlite("data/flash.db")),
        ("sqlite:data/flash.db", sqlite("data/flash.db")),
        ("postgres://a@b/c", DatabaseUrl::Postgres("postgres://a@b/c".to_owned())),
        ("postgresql://a@b/c", DatabaseUrl::Postgres("postgresql://a@b/c".to_owned())),
    ] {
        assert_eq!(DatabaseUrl::parse(text).unwrap(), url);
    }
    for text in ["", "sqlite:", "sqlite://", "sqlite::memory:", "sqlite:a.db?mode=ro", "mysql://a", "a.db"] {
        assert!(DatabaseUrl::parse(text).is_err(), "{text}");
    }
}

/// A server that says nothing is given up, one that is not there is reported, one that answers is well.
#[tokio::test]
async fn redis_is_checked() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    assert!(redis::check(&url).await.is_err(), "connected, but no answer");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            while let Ok(size @ 1..) = socket.read(&mut request).await {
                let commands = request[..size].iter().filter(|byte| **byte == b'*').count();
                socket.write_all("+PONG\r\n".repeat(commands).as_bytes()).await.unwrap();
            }
        }
    });
    redis::check(&url).await.unwrap();
    assert!(redis::check("redis://127.0.0.1:1").await.is_err());
    assert!(redis::check("nonsense").await.is_err());
}
