//go:build e2e

package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	programEnv = "MDSERVER_FLEET_PROGRAM" // the program under test, for the child of this program
	skewEnv    = "MDSERVER_FLEET_SKEW"    // by how many seconds the clock of a server is wrong
)

// skewed is what time.Now does in the program under test: the kernel has no clock of
// day for a single process.
const skewed = `package time

import "syscall"

var skew = readSkew()

func readSkew() (seconds int64) {
	text, _ := syscall.Getenv("` + skewEnv + `")
	negative := len(text) > 0 && text[0] == '-'
	for i := range len(text) {
		if '0' <= text[i] && text[i] <= '9' {
			seconds = seconds*10 + int64(text[i]-'0')
		}
	}
	if negative {
		return -seconds
	}
	return seconds
}
`

// buildWithClock builds the server with a clock that skewEnv sets.
func buildWithClock(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reading) != 1 {
		return "", fmt.Errorf("time.Now of %s is not as this test knows it", runtime.Version())
	}
	changed := strings.Replace(string(text), reading, reading+"\tsec += skew\n", 1)
	overlay := map[string]map[string]string{"Replace": {}}
	for name, content := range map[string]string{"time.go": changed, "skew.go": skewed} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return "", err
		}
		overlay["Replace"][filepath.Join(filepath.Dir(source), name)] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file, built := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mdserver")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-overlay", file, "-o", built, "mdserver/cmd/mdserver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building mdserver: %w\n%s", err, out)
	}
	return built, nil
}
