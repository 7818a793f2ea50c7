// Command mdserver is a standalone metadata server for virtual machines under
// libvirt. See README.md, or `mdserver help`.
package main

import (
	"os"

	"mdserver/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
