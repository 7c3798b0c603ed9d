# Shared by the scripts: messages, free ports, Debian packages. Sourced, never run.
# Knows nothing about the product.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}

# say TEXT: one line about what happens next.
say() { printf '==> %s\n' "$*"; }

# fail TEXT: says what is wrong and ends the script.
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# have COMMAND: whether the command exists.
have() { command -v "$1" >/dev/null 2>&1; }

# free_port: prints a TCP port that nobody listens on at the moment.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# port_taken HOST PORT: whether somebody accepts connections there.
port_taken() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# as_root COMMAND…: runs it as root, through sudo where needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "need root (or sudo) for: $*"
  fi
}

# debian PACKAGE…: installs Debian packages; the caller has seen that they are missing.
debian() {
  have apt-get || fail "missing: $*. This is not a Debian machine: install them by hand."
  say "installing Debian packages: $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# need_rust: stops with a clear message without a Rust toolchain; installs a C compiler where it is missing.
need_rust() {
  have cargo || fail "cargo is missing: install Rust (the version in Cargo.toml, rust-version, or newer)"
  have cc || debian build-essential
}

# need_node: stops with a clear message without Node.js and npm.
need_node() {
  have node && have npm || fail "node or npm is missing: install Node.js 20 or newer"
}

# unchanged STAMP FILE…: whether the stamp records the present contents of the files.
unchanged() {
  local stamp=$1
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | sha256sum)" ]
}

# remember STAMP FILE…: records the present contents of the files.
remember() {
  local stamp=$1
  shift
  cat "$@" | sha256sum >"$stamp"
}

# build_web: builds the web application where there is one; a Rust build embeds the result.
build_web() {
  [ -f "$root/web/package.json" ] || return 0
  need_node
  if ! unchanged "$root/web/node_modules/.stamp" "$root/web/package-lock.json"; then
    say "installing the web application's packages"
    (cd "$root/web" && npm ci --no-audit --no-fund)
    remember "$root/web/node_modules/.stamp" "$root/web/package-lock.json"
  fi
  # Built anew only where a source changed: a new web/dist has the whole binary compiled again.
  local sources
  mapfile -t sources < <(cd "$root" && find web/src web/build web/public web/index.html web/*.json web/vite.config.ts src/demo/cities.csv -type f | LC_ALL=C sort)
  if [ -f "$root/web/dist/index.html" ] && (cd "$root" && unchanged web/node_modules/.built "${sources[@]}"); then return 0; fi
  say "building the web application"
  (cd "$root/web" && npm run --silent build)
  (cd "$root" && remember web/node_modules/.built "${sources[@]}")
}

# python_environment DIRECTORY LIST: a Python environment of pinned packages, installed without resolving. The pins must
# suit Debian's own Python (3.11.2).
python_environment() {
  local venv=$1 list=$2
  unchanged "$venv/.stamp" "$list" && return 0
  say "installing Python packages into ${venv#"$root"/}"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$list"
  remember "$venv/.stamp" "$list"
}
