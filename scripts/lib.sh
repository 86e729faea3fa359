# What scripts/up and scripts/test share: they source this file from the top folder of the repository.
# Bash 3.2 (macOS) must read it. Everything that is built goes to .cache/, by a temporary name first.
# shellcheck shell=bash

readonly IMAGE=correio:local
readonly CACHE=$PWD/.cache

say() { printf '%s\n' "$*"; }

# die LINE: the one clear line of a failure.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# quietly LOG COMMAND...: the output goes to .cache/LOG.log, and to the terminal only when the command fails.
quietly() {
  local log=$CACHE/$1.log
  shift
  mkdir -p "$CACHE"
  "$@" >"$log" 2>&1 && return
  tail -n 40 "$log" >&2
  return 1
}

# --- the machine ---------------------------------------------------------------------------------------------

host_os() {
  case $(uname -s) in
    Linux) echo linux ;;
    Darwin) echo darwin ;;
    MINGW* | MSYS* | CYGWIN*) echo windows ;;
    *) uname -s | tr '[:upper:]' '[:lower:]' ;;
  esac
}

host_arch() {
  case $(uname -m) in
    x86_64 | amd64) echo amd64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) uname -m ;;
  esac
}

# cli_path: where the command of this machine is built.
cli_path() {
  case $(host_os) in
    windows) echo "$CACHE/bin/correio.exe" ;;
    *) echo "$CACHE/bin/correio" ;;
  esac
}

# source_version: the tag or commit that the binary prints as its version.
source_version() { git describe --tags --always --dirty 2>/dev/null || echo dev; }

# --- Go ------------------------------------------------------------------------------------------------------

# go_serves: there is a Go that can build this module (one from 1.21 on may fetch the version that go.mod names).
go_serves() { have go && go env GOVERSION >/dev/null 2>&1; }

# go_build OS ARCH FILE: the static binary, with the commit in it when git can tell.
go_build() {
  local vcs=false
  if git rev-parse HEAD >/dev/null 2>&1; then vcs=true; fi
  mkdir -p "$(dirname "$3")"
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=$vcs \
    -ldflags "-s -w -X main.version=$(source_version)" -o "$3.new" ./services/correio &&
    mv -f "$3.new" "$3"
}

# module_version MODULE GO.MOD: the version that a go.mod asks for.
module_version() { awk -v m="$1" '$1 == m { print $2 }' "$2"; }

# build_tool NAME FOLDER MODULE PACKAGE [LDFLAG]: builds a tool of scripts/tools/FOLDER once per version, of its own
# and of Go's, and sets TOOL to its path. @V in LDFLAG stands for the tool's version.
build_tool() {
  local version dir
  version=$(module_version "$3" "scripts/tools/$2/go.mod")
  dir=$CACHE/tools/$2-$version-$(go env GOVERSION)
  TOOL=$dir/$1
  [ -x "$TOOL" ] && return
  mkdir -p "$dir"
  (cd "scripts/tools/$2" && CGO_ENABLED=0 GOOS='' GOARCH='' GOFLAGS='' go build -trimpath -buildvcs=false \
    -ldflags "-s -w ${5:+-X ${5//@V/$version}}" -o "$TOOL.new" "$4") && mv -f "$TOOL.new" "$TOOL"
}

# --- Docker --------------------------------------------------------------------------------------------------

engine_answers() { have docker && docker info >/dev/null 2>&1; }

# need_engine: fails with what to do when no engine answers.
need_engine() {
  local without=""
  if [ "$(host_os)" = linux ] && go_serves; then
    without=" Without Docker: go run ./services/correio run"
  fi
  have docker || die "Docker is not installed. Get it from https://docs.docker.com/get-docker/" \
    "(Debian, Ubuntu: sudo apt install docker.io docker-compose) and run this again.$without"
  local said
  said=$(docker info 2>&1 >/dev/null) && return
  case $said in
    *[Pp]ermission\ denied*)
      die "your user may not talk to the Docker engine: run sudo usermod -aG docker $(id -un), log in again, and run this again.$without"
      ;;
  esac
  case $(host_os) in
    linux) die "the Docker engine does not answer. Start it (sudo systemctl start docker) and run this again.$without" ;;
    *) die "the Docker engine does not answer. Start Docker Desktop and run this again." ;;
  esac
}

# find_compose: exports CORREIO_COMPOSE, the words that run Compose, building it when Go can; fails with what to do.
find_compose() {
  local found
  if found=$(docker compose version --short 2>/dev/null) && [ -n "$found" ]; then
    export CORREIO_COMPOSE="docker compose"
    return
  fi
  if found=$(docker-compose version --short 2>/dev/null) && compose_serves "$found"; then
    export CORREIO_COMPOSE=docker-compose
    return
  fi
  go_serves || die "Docker Compose ${found:+$found is too old: 1.29 or later }is needed. Install it" \
    "(Debian, Ubuntu: sudo apt install docker-compose; others: https://docs.docker.com/compose/install/) and run this again."
  say "Compose: none found, using our own build of its source (a minute, once)"
  quietly compose-build build_tool docker-compose compose github.com/docker/compose/v5 \
    github.com/docker/compose/v5/cmd github.com/docker/compose/v5/internal.Version=@V ||
    die "Compose could not be built. Install it (https://docs.docker.com/compose/install/) and run this again."
  mkdir -p "$CACHE/bin"
  ln -sf "$TOOL" "$CACHE/bin/docker-compose" # beside the command, which looks there too
  export PATH="$CACHE/bin:$PATH" CORREIO_COMPOSE=docker-compose
}

# compose_serves VERSION: 1.29 or later.
compose_serves() {
  local major=${1#v} minor
  minor=${major#*.}
  major=${major%%.*}
  minor=${minor%%.*}
  case $major$minor in *[!0-9]* | '') return 1 ;; esac
  [ "$major" -gt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -ge 29 ]; }
}

# docker_cli_major: 20, 28 and so on.
docker_cli_major() { docker version --format '{{.Client.Version}}' 2>/dev/null | cut -d. -f1; }

# has_buildkit: docker build can mount caches: by buildx, or by itself before CLI 23.
has_buildkit() {
  docker buildx version >/dev/null 2>&1 && return
  local major
  major=$(docker_cli_major)
  case $major in *[!0-9]* | '') return 1 ;; esac
  [ "$major" -ge 18 ] && [ "$major" -lt 23 ]
}

# image_build TARGET TAG [ARG...]: one target of deploy/Dockerfile. BUILDX_BUILDER is left out: a builder in a
# container of its own would keep the image to itself.
image_build() {
  local target=$1 tag=$2 kit=0
  shift 2
  has_buildkit && kit=1
  env -u BUILDX_BUILDER DOCKER_BUILDKIT=$kit docker build --target "$target" --tag "$tag" \
    --file deploy/Dockerfile --build-arg "VERSION=$(source_version)" "$@" .
}

# image_files lays out in .cache/image what the target prebuilt copies; the target source does the same by itself.
image_files() {
  local files=$CACHE/image site
  mkdir -p "$files/root/etc" "$files/root/tmp" "$files/root/var/lib" "$files/data" "$files/keys/ca" "$files/keys/observatory"
  for site in deploy/*/; do
    mkdir -p "$files/keys/$(basename "$site")"
  done
  printf 'correio:x:10001:10001:Correio:/var/lib/correio:/\n' >"$files/root/etc/passwd"
  chmod -R u=rwX,go=rX "$files"
  chmod 1777 "$files/root/tmp"
}

# build_prebuilt: the command and the image by the Go of this machine.
build_prebuilt() {
  local arch files=$CACHE/image cli
  arch=$(docker version --format '{{.Server.Arch}}')
  cli=$(cli_path)
  image_files
  go_build linux "$arch" "$files/root/correio" || return
  if [ "$(host_os)/$(host_arch)" = "linux/$arch" ]; then
    mkdir -p "${cli%/*}"
    cp -f "$files/root/correio" "$cli.new" && mv -f "$cli.new" "$cli"
  else
    go_build "$(host_os)" "$(host_arch)" "$cli"
  fi || return
  quietly image-build image_build prebuilt "$IMAGE"
}

# build_source: the same inside Docker, for a machine without Go.
build_source() {
  local cli box status=0 ca="${SSL_CERT_FILE:-}"
  cli=$(cli_path)
  set --
  [ -f "$ca" ] && set -- --secret "id=ca,src=$ca"
  [ -n "${GOPROXY:-}" ] && set -- "$@" --build-arg "GOPROXY=$GOPROXY"
  [ -n "${GO_IMAGE:-}" ] && set -- "$@" --build-arg "GO_IMAGE=$GO_IMAGE"
  image_build source "$IMAGE" "$@" || return
  image_build cli "$IMAGE-cli" --build-arg "HOST_OS=$(host_os)" --build-arg "HOST_ARCH=$(host_arch)" "$@" || return
  mkdir -p "${cli%/*}"
  box=$(docker create "$IMAGE-cli") || return
  docker cp "$box:/correio" "$cli.new" && mv -f "$cli.new" "$cli" || status=1
  docker rm "$box" >/dev/null
  docker rmi "$IMAGE-cli" >/dev/null
  return $status
}

# build_all: the command and the image, by what there is; exports LAB_TARGET, how it was built. Says what it does.
build_all() {
  local start=$SECONDS
  if go_serves; then
    export LAB_TARGET=prebuilt
    say "Build:   with $(go env GOVERSION) of this machine"
    build_prebuilt || die "the build failed: the lines above say where."
  elif has_buildkit; then
    export LAB_TARGET=source
    say "Build:   inside Docker (no Go on this machine)"
    build_source || die "the build inside Docker failed: the lines above say where."
  else
    die "to build, install Go $(awk '$1 == "go" { print $2 }' go.mod) or later (https://go.dev/dl/) or Docker's" \
      "buildx plugin (Debian, Ubuntu: sudo apt install docker-buildx), and run this again."
  fi
  say "Image:   $IMAGE, $(docker image inspect --format '{{.Size}}' "$IMAGE" | awk '{ printf "%.1f MB", $1 / 1e6 }')," \
    "in $((SECONDS - start)) s"
}
