package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

// bootTime is how long a machine may take until cloud-init is done. Without a
// processor's help one takes a minute or two, and longer on a busy machine.
const bootTime = 15 * time.Minute

// Image is a machine's disk, kernel and initial file system, in the directory
// that `scripts/build-image guest` made.
type Image struct {
	dir         string
	accelerator string // libvirt's type of domain
}

// OpenImage looks at an image and finds out how this machine can run it.
func OpenImage(ctx context.Context, dir string) (Image, error) {
	image := Image{dir: dir, accelerator: "qemu"}
	for _, name := range []string{"guest.img", "vmlinuz", "initrd.img"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return image, err
		}
	}
	if image.runsOnKVM(ctx) {
		image.accelerator = "kvm"
	}
	return image, nil
}

// Accelerator is "kvm", or "qemu" where processors have to be emulated.
func (i Image) Accelerator() string { return i.accelerator }

// runsOnKVM boots the kernel without a disk: /dev/kvm may be there and carry
// none. A kernel that finds no root ends the machine by itself.
func (i Image) runsOnKVM(ctx context.Context) bool {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "kvm", "-m", "256", "-display", "none", "-monitor", "none",
		"-serial", "stdio", "-no-reboot", "-nic", "none", "-kernel", filepath.Join(i.dir, "vmlinuz"),
		"-append", "console=ttyS0 panic=-1").Output()
	return strings.Contains(string(out), "Unable to mount root")
}

// Machine is a virtual machine under the lab's libvirtd with an image of its
// own, as a vendor ships it: nothing in it knows of mdserver.
type Machine struct {
	Name string
	UUID uuid.UUID
	MAC  string

	libvirt *Libvirt
	key     string // the file with the private SSH key
}

// machineXML is a machine with a plain processor, which is the fastest to emulate. Its
// kernel does not test the timer: on a busy host, an emulated one may fail that.
const machineXML = `<domain type='%[1]s'><name>%[2]s</name><uuid>%[3]s</uuid>
  <memory unit='MiB'>768</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>%[4]s/vmlinuz</kernel><initrd>%[4]s/initrd.img</initrd>
    <cmdline>root=LABEL=root rw console=ttyS0,115200 no_timer_check</cmdline>
  </os>
  <features><acpi/><apic/></features><cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='%[5]s'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='%[6]s'/><source network='%[7]s'/><model type='virtio'/></interface>
    <serial type='file'><source path='%[8]s'/><target port='0'/></serial>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><memballoon model='none'/>
  </devices>
</domain>`

// DefineMachine makes a machine with a fresh disk on one of libvirt's networks.
// It is plain QEMU: no cloud is to be seen. Who has the private key can log in
// once the machine trusts its public half.
func (v *Libvirt) DefineMachine(ctx context.Context, image Image, m Machine, network, key string) (*Machine, error) {
	m.libvirt, m.key = v, key
	disk := v.lab.Path("libvirt", m.Name+".qcow2")
	if err := run(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", filepath.Join(image.dir, "guest.img"), disk); err != nil {
		return nil, err
	}
	console, err := v.lab.WriteFile(filepath.Join("log", "console-"+m.Name+".log"), "")
	if err != nil {
		return nil, err
	}
	xml := fmt.Sprintf(machineXML, image.accelerator, m.Name, m.UUID, image.dir, disk, m.MAC, network, console)
	file, err := v.lab.WriteFile(filepath.Join("libvirt", m.Name+".xml"), xml)
	if err != nil {
		return nil, err
	}
	_, err = v.Virsh(ctx, "define", file)
	return &m, err
}

// Boot starts the machine and waits until cloud-init has done its work, by
// asking it over ssh at the address that the machine is to have.
func (m *Machine) Boot(ctx context.Context, addr netip.Addr) error {
	if _, err := m.libvirt.Virsh(ctx, "start", m.Name); err != nil {
		return err
	}
	return m.up(ctx, addr, "")
}

// Reboot restarts the machine from within and waits until it is up again.
func (m *Machine) Reboot(ctx context.Context, addr netip.Addr) error {
	before, err := m.SSH(ctx, addr, "cat "+bootID)
	if err != nil {
		return err
	}
	_, _ = m.SSH(ctx, addr, "sudo systemctl reboot") // ends with the connection
	return m.up(ctx, addr, before)
}

// bootID is another one after each boot.
const bootID = "/proc/sys/kernel/random/boot_id"

func (m *Machine) up(ctx context.Context, addr netip.Addr, before string) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	err := Poll(ctx, bootTime, func(ctx context.Context) error {
		id, err := m.SSH(ctx, addr, "cat "+bootID)
		if err == nil && id == before {
			err = errors.New("it has not gone down yet")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s cannot be reached: %w", m.Name, err)
	}
	out, err := m.SSH(ctx, addr, "cloud-init status --wait --long")
	if err != nil {
		return fmt.Errorf("cloud-init in %s: %w: %s", m.Name, err, out)
	}
	return nil
}

// sshdRestarts is how long a machine may refuse connections by SSH because its sshd
// starts again, as it does when it gets a certificate.
const sshdRestarts = time.Minute

// SSH runs a command in the machine as the user debian.
func (m *Machine) SSH(ctx context.Context, addr netip.Addr, command string) (string, error) {
	args := []string{"-i", m.key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "debian@" + addr.String(), command}
	for began := time.Now(); ; time.Sleep(time.Second) {
		out, err := m.libvirt.lab.Host.Output(ctx, "ssh", args...)
		if err == nil || !strings.Contains(err.Error(), "Connection refused") || time.Since(began) > sshdRestarts || ctx.Err() != nil {
			return out, err
		}
	}
}

// NewSSHKey makes a pair of SSH keys and returns the private one's file and the
// public one.
func (l *Lab) NewSSHKey(ctx context.Context) (file, public string, err error) {
	file = l.Path("ssh-key")
	if err := run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", file); err != nil {
		return "", "", err
	}
	text, err := os.ReadFile(file + ".pub")
	return file, strings.TrimSpace(string(text)), err
}
