// Package host tests mdserver on whole Debian hosts: a fresh root with systemd
// as process 1, in namespaces of its own by systemd-nspawn, and in it libvirt
// and guests whose processors are emulated. It does what the documentation
// tells a newcomer to do, with the documentation's own shell blocks.
//
// The tests need root and the packages that scripts/install-deps installs, and
// fail without them; MDSERVER_SKIP_HOST=1 or MDSERVER_SKIP_E2E=1 skips them.
package host
