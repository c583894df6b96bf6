#!/bin/bash
# Makes a machine of its own out of the files of this one: run in new mount, process, network, host
# name and IPC namespaces. What is written there is in memory, and gone with it.
#
#   stage.sh DIR     DIR/stage has what the tests bring
set -euo pipefail
dir=$1

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$dir/space"
mkdir "$dir/space/upper" "$dir/space/work" "$dir/space/root"
root=$dir/space/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/space/upper,workdir=$dir/space/work" "$root"

# Its own; what this machine keeps there is none of its business.
for own in dev home media mnt opt root run srv tmp usr/local var/www var/tmp var/cache etc/yunohost etc/nginx etc/larder; do
    mkdir -p "$root/$own"
    mount -t tmpfs -o mode=755 tmpfs "$root/$own"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
mount -t proc proc "$root/proc"
for node in null zero full random urandom; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"

mkdir -p "$root/stage"
mount -t tmpfs -o mode=755 tmpfs "$root/stage"
cp -a "$dir/stage/." "$root/stage/"
mkdir -p "$root/usr/share/yunohost" "$root/usr/local/bin" "$root/etc/systemd/system" "$root/etc/yunohost/apps" \
    "$root/home/yunohost.backup/archives" "$root/home/yunohost.app" "$root/etc/nginx/conf.d/jerry.example.org.d" \
    "$root/etc/nginx/conf.d/tom.example.org.d"
cp -a "$dir/stage/helpers/." "$root/usr/share/yunohost/"
install -m 755 "$root/stage/core.py" "$root/usr/bin/yunohost"
rm -f "$root/usr/bin/systemctl" "$root/bin/systemctl"
install -m 755 "$root/stage/systemctl" "$root/usr/bin/systemctl"
# The Debian package would be in the way.
rm -f "$root/usr/bin/larder" "$root/etc/systemd/system/larder.service"
echo 12.1 > "$root/etc/yunohost/installed"
hostname jerry.example.org
ip link set lo up

# The number by which others enter.
read -r pid _ < /proc/self/stat
echo "$pid" > "$dir/pid.part"
mv "$dir/pid.part" "$dir/pid"
# As the first process it is the parent of those that lost theirs, and buries them.
cd "$root"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$root" /bin/bash -c 'while :; do sleep 3600 & wait $!; done'
