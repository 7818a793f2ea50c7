#cloud-boothook
#!/bin/sh
# Makes this guest report the end of its boot, and its host keys, to the metadata
# server: [mdserver] report = yes. All of it is below /run.
umask 022
agent=/run/mdserver/report
mkdir -p /run/mdserver && cat >$agent <<'END OF AGENT' || exit 0
@AGENT@
END OF AGENT
# cloud-init's own Python: some images have no other
python=$(sed -n '1s/^#! *//p' "$(command -v cloud-init)" 2>/dev/null)
case $python in *python*) ;; *) python=/usr/bin/python3 ;; esac

unit() {
	printf '%s\n' '[Unit]' "Description=$2" "After=$3" '[Service]' "ExecStart=$python $agent $4" >"/run/systemd/system/$1.service"
}
if [ -d /run/systemd/system ]; then
	unit mdserver-host-keys 'Report the host keys to mdserver' \
		'cloud-init.service cloud-init-network.service sshd-keygen.target' keys &&
		unit mdserver-report 'Report the end of the boot to mdserver' cloud-final.service end &&
		printf '%s\n' '[Timer]' OnActiveSec=1d OnUnitInactiveSec=1d >/run/systemd/system/mdserver-host-keys.timer &&
		systemctl start --no-block mdserver-host-keys.service mdserver-host-keys.timer mdserver-report.service && exit 0
fi >/dev/null 2>&1
# shellcheck disable=SC2086 # the interpreter may have an argument
$python $agent all </dev/null >/dev/null 2>&1 &
exit 0
