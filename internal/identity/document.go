package identity

import (
	"encoding/json"
	"runtime"
	"time"

	"mdserver/internal/metadata"
)

// document has AWS's fields, in AWS's order; what a plain libvirt host has no
// notion of is null.
type document struct {
	AccountID               string   `json:"accountId"`
	Architecture            string   `json:"architecture"`
	AvailabilityZone        string   `json:"availabilityZone"`
	BillingProducts         []string `json:"billingProducts"`
	DevpayProductCodes      []string `json:"devpayProductCodes"`
	MarketplaceProductCodes []string `json:"marketplaceProductCodes"`
	ImageID                 string   `json:"imageId"`
	InstanceID              string   `json:"instanceId"`
	InstanceType            string   `json:"instanceType"`
	KernelID                *string  `json:"kernelId"`
	PendingTime             string   `json:"pendingTime"`
	PrivateIP               *string  `json:"privateIp"`
	RamdiskID               *string  `json:"ramdiskId"`
	Region                  string   `json:"region"`
	Version                 string   `json:"version"`
}

// documentVersion is that of AWS's document with these fields.
const documentVersion = "2017-09-30"

// Document is the identity document of a guest: JSON, alike for every
// request as long as the guest stays as it is.
func Document(d *metadata.Document) ([]byte, error) {
	doc := document{
		AccountID:        d.AccountID,
		Architecture:     architecture(d.Arch),
		AvailabilityZone: d.AvailabilityZone,
		ImageID:          d.ImageID(),
		InstanceID:       d.InstanceID,
		InstanceType:     d.InstanceType(),
		PendingTime:      d.FirstSeen.UTC().Format(time.RFC3339),
		Region:           d.Region,
		Version:          documentVersion,
	}
	addr := d.LocalIPv4
	if !addr.IsValid() {
		addr = d.LocalIPv6
	}
	if addr.IsValid() {
		text := addr.String()
		doc.PrivateIP = &text
	}
	return json.MarshalIndent(doc, "", "  ")
}

// architecture is the guest's in AWS's words. A guest without a recorded
// architecture has that of this host.
func architecture(arch string) string {
	if arch == "" {
		arch = runtime.GOARCH
	}
	switch arch {
	case "amd64":
		return "x86_64"
	case "386", "i686":
		return "i386"
	case "aarch64":
		return "arm64"
	}
	return arch
}
