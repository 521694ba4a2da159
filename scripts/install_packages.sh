#!/usr/bin/env bash
# Installs the Debian 12 packages that mk and its tests need and that are missing. A machine that has them all is
# left alone: no apt-get, no network.
#
#   scripts/install_packages.sh build|run|test|guestbook|format ...
set -euo pipefail

packages_of() {
  case "$1" in
    # ccache only saves time; everything else is needed. Boost is used from its headers.
    build) echo clang lld ninja-build cmake git ccache libboost1.81-dev libsqlite3-dev libssl-dev \
                libcurl4-openssl-dev libyaml-cpp-dev libspdlog-dev libfmt-dev catch2 libarchive-dev \
                libnghttp2-dev zlib1g-dev libre2-dev ;;
    run) echo runc iptables iproute2 conntrack libcurl4 libnghttp2-14 zlib1g libre2-9 ca-certificates ;;
    guestbook) echo python3 busybox-static redis-server docker-registry curl ;;
    test) echo python3 python3-kubernetes util-linux iproute2 openssl ;;
    format) echo clang-format python3 ;;
    *) echo "install_packages.sh: unknown group $1 (build, run, guestbook, test, format)" >&2; return 2 ;;
  esac
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null || true)" = "ii " ]
}

# Services that packages bring would take ports and memory; mk's scripts start what they need themselves.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  local result=0
  "$@" || result=$?
  rm -f "$policy"
  return "$result"
}

# install_missing GROUP...: nothing at all when nothing is missing.
install_missing() {
  local group package packages missing=()
  for group in "$@"; do
    packages=$(packages_of "$group")
    for package in $packages; do
      is_installed "$package" || missing+=("$package")
    done
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "Debian packages are missing; as root: apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "==> installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  without_starting_services apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  [ $# -gt 0 ] || { echo "usage: $0 build|run|guestbook|test|format ..." >&2; exit 2; }
  install_missing "$@"
fi
