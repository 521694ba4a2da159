#!/usr/bin/env bash
# Installs the Debian packages (12; 13 has them too) that mk and its tests need and that are missing. A machine
# that has them all is left alone: no apt-get, no network.
#
#   scripts/install_packages.sh build|run|test|guestbook|format ...
set -euo pipefail

packages_of() {
  case "$1" in
    # ccache only saves time; everything else is needed. Boost is used from its headers.
    build) echo clang lld ninja-build cmake git ccache libboost1.81-dev libsqlite3-dev libssl-dev \
                libcurl4-openssl-dev libyaml-cpp-dev libspdlog-dev libfmt-dev catch2 libarchive-dev \
                libnghttp2-dev zlib1g-dev libre2-dev libraft-dev ;;
    run) echo runc iptables iproute2 conntrack libcurl4 libnghttp2-14 zlib1g libre2-9 ca-certificates ;;
    guestbook) echo python3 busybox-static redis-server docker-registry curl ;;
    test) echo python3 python3-kubernetes util-linux iproute2 openssl ;;
    format) echo clang-format python3 ;;
    *) echo "install_packages.sh: unknown group $1 (build, run, guestbook, test, format)" >&2; return 2 ;;
  esac
}

# The one release of libraft that mk is written for: earlier ones commit entries they must not, later ones own
# memory differently.
raft_version=0.22.1

is_installed() {
  local wanted="ii *"
  [ "$1" != libraft-dev ] || wanted="ii $raft_version-*"
  # shellcheck disable=SC2053
  [[ $(dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$1" 2>/dev/null || true) == $wanted ]]
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

has_raft_version() {
  apt-cache madison libraft-dev | grep "| $raft_version-" > /dev/null
}

# field_of FILE URI FIELD: a field (its further lines too) of the deb822 stanza of FILE that names URI.
field_of() {
  awk -v uri="${2%/}" -v field="$3:" 'BEGIN { RS = ""; FS = "\n" }
    index($0, uri) { for (i = 1; i <= NF; i++) { if ($i !~ /^[ \t]/) on = index($i, field) == 1; if (on) print $i }
                     exit }' "$1"
}

# The machine's own source of Debian, its mirror and key, once more with the backports suite: in deb822.
backports_source() {
  local codename entry uri file options
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  entry=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' 'Created-By: Packages' |
    awk -v release="$codename" '$1 == release && $2 == "main" { print $3, $4; exit }')
  [ -n "$entry" ] || return 1
  uri=${entry% *}
  file=${entry##* }
  file=${file%:*}
  printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$codename"
  if [[ $file == *.sources ]]; then
    field_of "$file" "$uri" Signed-By
    field_of "$file" "$uri" Trusted
  else
    options=$(grep -F "${uri%/}" "$file" | sed -n 's/^deb *\[\([^]]*\)\].*/ \1 /p' | head -n 1)
    sed -n 's/.* signed-by=\([^ ]*\) .*/Signed-By: \1/p; s/.* trusted=yes .*/Trusted: yes/p' <<< "$options"
  fi
}

# On Debian 12 the right libraft is in the backports suite only. That suite is added beside the mirror in use when
# no source offers the version, and nothing else ever comes from it by itself.
offer_raft() {
  local preferences=/etc/apt/preferences.d/mk-raft source=/etc/apt/sources.list.d/mk-raft.sources
  printf 'Package: src:raft\nPin: version %s-*\nPin-Priority: 990\n' "$raft_version" > "$preferences"
  has_raft_version && return
  backports_source > "$source" ||
    { rm -f "$source"; echo "libraft-dev $raft_version: no source of Debian is configured here" >&2; return 1; }
  printf '\nPackage: *\nPin: release n=%s\nPin-Priority: 1\n' \
    "$(sed -n 's/^Suites: //p' "$source")" >> "$preferences"
  apt-get update -qq
  has_raft_version || { echo "libraft-dev $raft_version is not at $(sed -n 's/^URIs: //p' "$source")" >&2; return 1; }
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
  [[ " ${missing[*]} " != *" libraft-dev "* ]] || offer_raft
  without_starting_services apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  [ $# -gt 0 ] || { echo "usage: $0 build|run|guestbook|test|format ..." >&2; exit 2; }
  install_missing "$@"
fi
