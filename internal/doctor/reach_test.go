package doctor

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"time"

	"mdserver/internal/account"
)

// socketInfo is a socket with the owner root.
type socketInfo struct {
	mode  fs.FileMode
	group uint32
}

func (s socketInfo) Name() string       { return "libvirt-sock" }
func (s socketInfo) Size() int64        { return 0 }
func (s socketInfo) Mode() fs.FileMode  { return s.mode | fs.ModeSocket }
func (s socketInfo) ModTime() time.Time { return time.Time{} }
func (s socketInfo) IsDir() bool        { return false }
func (s socketInfo) Sys() any           { return &syscall.Stat_t{Gid: s.group} }

// A server whose user is in the group of libvirt's socket, and was when it
// started, may edit networks; the remedy adds what is missing.
func TestReach(t *testing.T) {
	const libvirt = 4294967
	server := account.Account{Name: "mdserver", UID: 998, GID: 998}
	for name, tt := range map[string]struct {
		who            account.Account
		socket         fs.FileInfo
		started, now   []uint32
		reaches        bool
		remedy, advice string
	}{
		"forgotten usermod":        {server, socketInfo{0o770, libvirt}, nil, nil, false, "usermod --append --groups 4294967 mdserver", ""},
		"usermod without restart":  {server, socketInfo{0o770, libvirt}, nil, []uint32{libvirt}, false, "", ""},
		"all done":                 {server, socketInfo{0o770, libvirt}, []uint32{libvirt}, []uint32{libvirt}, true, "", ""},
		"root":                     {account.Account{Name: "root"}, socketInfo{0o700, 0}, nil, nil, true, "", ""},
		"a socket for all":         {server, socketInfo{0o777, libvirt}, nil, nil, true, "", ""},
		"one that polkit guards":   {server, byPolkit{socketInfo{0o777, 0}, libvirt}, nil, nil, false, "usermod --append --groups 4294967 mdserver", ""},
		"polkit lets it in":        {server, byPolkit{socketInfo{0o777, 0}, libvirt}, []uint32{libvirt}, nil, true, "", ""},
		"a socket of root's alone": {server, socketInfo{0o700, 0}, nil, nil, false, "", "unix_sock_group"},
		"a group without rights":   {server, socketInfo{0o700, libvirt}, []uint32{libvirt}, []uint32{libvirt}, false, "", "unix_sock_group"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reaches(tt.who, tt.socket, tt.started); got != tt.reaches {
				t.Errorf("reaches: %v, want %v", got, tt.reaches)
			}
			if tt.reaches {
				return
			}
			f := Finding{}.join(tt.who, tt.socket, tt.now)
			if got := strings.Join(f.Remedy, "; "); got != tt.remedy {
				t.Errorf("the remedy is %q, want %q", got, tt.remedy)
			}
			if got := strings.Join(f.Advice, "; "); !strings.Contains(got, tt.advice) || (got == "") != (tt.advice == "") {
				t.Errorf("the advice is %q, want %q in it", got, tt.advice)
			}
		})
	}
}

// The groups of a process are read from the kernel.
func TestProcessGroups(t *testing.T) {
	want, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	got := processGroups(os.Getpid())
	for _, id := range want {
		if !slices.Contains(got, uint32(id)) {
			t.Errorf("the groups are %v, want %v", got, want)
		}
	}
}
