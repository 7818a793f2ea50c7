package install

import (
	"bytes"
	"debug/buildinfo"
	"regexp"
	"slices"
)

// The Python mdserver's units, in all their versions and with the path edited,
// name its configuration file as the only argument.
var (
	originalServerStart  = regexp.MustCompile(`(?m)^ExecStart=\S*/mdserver\s+/\S+\.conf\s*$`)
	originalDnsmasqStart = regexp.MustCompile(`(?m)^ExecStart=\S*/dnsmasq\s+--conf-file[= ]\S*/mds\.conf\s`)
	originalDnsmasqTitle = []byte("Description=Simple metadata server - dnsmasq component\n")

	originalPath     = regexp.MustCompile(`(?m)^PathExists=\S*/mds\.conf\s*$`)
	originalPathUnit = regexp.MustCompile(`(?m)^Unit=mdserver-dnsmasq\.service\s*$`)
)

func isOriginalServerUnit(content []byte) bool { return originalServerStart.Match(content) }

func isOriginalDnsmasqUnit(content []byte) bool {
	return originalDnsmasqStart.Match(content) && bytes.Contains(content, originalDnsmasqTitle)
}

func isOriginalPathUnit(content []byte) bool {
	return originalPath.Match(content) && originalPathUnit.Match(content)
}

// isOriginalProgram recognises the script that Python's packaging makes for the
// Python mdserver's entry point.
func isOriginalProgram(content []byte) bool {
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	return bytes.HasPrefix(first, []byte("#!")) && bytes.Contains(first, []byte("python")) &&
		bytes.Contains(rest, []byte("mdserver"))
}

// isOriginalHook recognises the Python mdserver's libvirt hook, edited or not.
func isOriginalHook(content []byte) bool {
	return bytes.Contains(content, []byte("/instance-upload"))
}

// shippedHooks are the SHA-256 sums of the hook in the Python mdserver's releases.
var shippedHooks = []string{
	"411a9f748bf97a2a864b17958e9a1f3e60566a510252a064ca31e624a16aca64",
	"e25b3786831628620ac9203c810ce51e156958cd0668f648ca1506c7185d2d68",
}

// hookAddress is the line of the hook that its users were to edit.
var hookAddress = regexp.MustCompile(`(?m)^MDS_LISTEN_ADDRESS="[0-9A-Za-z.:-]*"$`)

// isShippedHook reports whether a hook differs from the Python mdserver's only by
// the server's address, so that no change of the administrator is lost with it.
func isShippedHook(content []byte) bool {
	shipped := hookAddress.ReplaceAll(content, []byte(`MDS_LISTEN_ADDRESS="169.254.169.254"`))
	return slices.Contains(shippedHooks, sum(content)) || slices.Contains(shippedHooks, sum(shipped))
}

// isOurProgram recognises any build of this program.
func isOurProgram(content []byte) bool {
	info, err := buildinfo.Read(bytes.NewReader(content))
	return err == nil && info.Main.Path == "mdserver"
}
