package lab

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// SessionUser is the user, and the group, whose libvirt [Lab.StartSession] runs:
// nobody's.
const SessionUser = 65534

// sessionScript lets a user's guests be plugged into the lab's bridge, as an
// administrator does by /etc/qemu/bridge.conf and a helper with root's rights.
const sessionScript = `set -e
mkdir "$SESSION/etc"
# Other labs' namespaces come and go meanwhile.
find /etc -mindepth 1 -maxdepth 1 ! -name netns -exec cp -a -t "$SESSION/etc" {} +
cp -r "$SESSION/qemu" "$SESSION/etc/qemu"
mount --bind "$SESSION/etc" /etc
mknod -m 666 "$SESSION/tun" c 10 200 # as udev makes it
mount --bind "$SESSION/tun" /dev/net/tun
exec setpriv --reuid="$1" --regid="$1" --clear-groups libvirtd
`

// StartSession runs a user's own libvirtd.
func (l *Lab) StartSession(ctx context.Context) (*Libvirt, error) {
	if err := l.layOutSession(); err != nil {
		return nil, err
	}
	runtime := l.Path("session", "run")
	place := l.libvirtsPlace()
	env := []string{"SESSION=" + l.Path("session"), "HOME=" + l.Path("session", "home"), "XDG_RUNTIME_DIR=" + runtime,
		"XDG_CONFIG_HOME=" + l.Path("session", "home"), "XDG_CACHE_HOME=" + l.Path("session", "home")}
	user := strconv.Itoa(SessionUser)
	p, err := l.Host.Start("libvirtd-session", env, place[0], append(place[1:], "sh", "-c", sessionScript, "session", user)...)
	if err != nil {
		return nil, err
	}
	v := &Libvirt{Process: p, URI: "qemu+unix:///session?socket=" + runtime + "/libvirt/libvirt-sock", lab: l}
	err = Poll(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := v.Virsh(ctx, "list")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("starting a session's libvirtd: %w", err)
	}
	return v, nil
}

func (l *Lab) layOutSession() error {
	if err := l.layOutLibvirt("libvirtd"); err != nil {
		return err
	}
	helper := l.Path("session", "qemu-bridge-helper")
	if _, err := l.WriteFile("session/qemu/bridge.conf", "allow "+Bridge+"\n"); err != nil {
		return err
	}
	conf := "bridge_helper = \"" + helper + "\"\n" + `stdio_handler = "file"` + "\n"
	if _, err := l.WriteFile("session/home/libvirt/qemu.conf", conf); err != nil {
		return err
	}
	program, err := os.ReadFile("/usr/lib/qemu/qemu-bridge-helper")
	if err != nil {
		return err
	}
	if err := os.WriteFile(helper, program, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(helper, 0o755|os.ModeSetuid); err != nil {
		return err
	}
	if err := os.Mkdir(l.Path("session", "run"), 0o700); err != nil {
		return err
	}
	for _, own := range []string{"home", "home/libvirt", "run"} {
		if err := os.Chown(l.Path("session", own), SessionUser, SessionUser); err != nil {
			return err
		}
	}
	return nil
}
