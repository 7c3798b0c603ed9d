//! A private PostgreSQL for the suite: the one named by `FLASH_TEST_POSTGRES_URL`, or a cluster in a temporary directory
//! that a shell starts now and takes down when this process ends, however it ends. Never skips: without either, it fails.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// `$1` = port, `$2` = the directory of PostgreSQL's programs. Says where it runs, then waits for its standard input to
/// close, which the operating system does at the latest when the test process is gone.
const KEEPER: &str = r#"
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
dir=$(mktemp -d /tmp/flash-conformance.XXXXXX) || exit 1
[ "$(id -u)" = 0 ] && chown postgres "$dir"
as "$2/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N >"$dir/initdb.log" 2>&1 || {
  cat "$dir/initdb.log" >&2; exit 1; }
as "$2/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" \
  -o "-p $1 -k $dir -c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off" start >/dev/null || exit 1
echo ready
cat >/dev/null
as "$2/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null
rm -rf "$dir"
"#;

/// The URL of the server, as its superuser.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("FLASH_TEST_POSTGRES_URL").unwrap_or_else(|_| start()))
}

fn start() -> String {
    static KEEP: OnceLock<Child> = OnceLock::new();
    let programs = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL's programs are installed, or FLASH_TEST_POSTGRES_URL names a server")
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("initdb").exists())
        .max()
        .expect("a version of PostgreSQL with initdb");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper", &port.to_string()])
        .arg(programs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "the private PostgreSQL did not start");
    KEEP.set(keeper).unwrap();
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}
