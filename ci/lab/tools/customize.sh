#!/bin/sh
# Completes the file tree that workload images stand on: $1 is its root.
set -eu
root=$1

# The users that Istio's proxy and the curl image run as, under the numbers of the originals.
echo 'istio-proxy:x:1337:1337:Istio proxy:/home:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'istio-proxy:x:1337:' >>"$root/etc/group"
echo 'curl_user:x:100:101:curl:/home:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'curl_group:x:101:' >>"$root/etc/group"

# Packages are not installed in containers: what that would need is left out.
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$MESHCHECK_PACKAGES"
rm -rf "$root"/var/cache/* "$root"/var/lib/apt/* "$root"/var/log/* "$root"/usr/share/perl*
