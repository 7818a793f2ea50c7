// Package e2e tests mdserver as a whole: the program itself, Debian's dnsmasq,
// a real DHCP client, curl and cloud-init, each in its network namespace.
//
// The tests need root and the packages that scripts/install-deps installs, and
// fail without them; MDSERVER_SKIP_E2E=1 skips them. MDSERVER_BIN names a
// binary to test instead of one built from this source.
package e2e
