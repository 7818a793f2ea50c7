package dnsmasq

import "mdserver/internal/dnsmasq/content"

// Settings are those of one network's dnsmasq. See package content.
type (
	Settings = content.Settings
	Mode     = content.Mode
	Rebind   = content.Rebind
)

const (
	Child    = content.Child
	External = content.External
	Off      = content.Off

	RebindOwn     = content.RebindOwn
	RebindPrivate = content.RebindPrivate
	RebindNo      = content.RebindNo
)
