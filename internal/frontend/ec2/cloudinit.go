package ec2

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"mdserver/internal/httpcommon"
)

const (
	// maxBooting is how many guests with a cloud-init are remembered, the last ones.
	maxBooting = 8192
	// crawlTime is how long after another request of cloud-init's its request for
	// user-data comes at the latest.
	crawlTime = time.Minute
)

// cloudInits remembers which guests' cloud-init has asked, and when.
type cloudInits struct {
	seen *lru.Cache[uuid.UUID, time.Time]
	now  func() time.Time
}

func newCloudInits() *cloudInits {
	seen, _ := lru.New[uuid.UUID, time.Time](maxBooting) // fails for no size only
	return &cloudInits{seen, time.Now}
}

// asks reports whether a guest's request is cloud-init's. Older versions ask for an
// instance-id under their own name first, and for user-data under the name of Python's
// requests (22.4.2, url_helper.readurl with headers_cb). cloudbase-init has that name
// for all that it asks for.
func (c *cloudInits) asks(r *http.Request, guest uuid.UUID) bool {
	if httpcommon.FromCloudInit(r) {
		c.seen.Add(guest, c.now())
		return true
	}
	if !strings.HasPrefix(r.UserAgent(), "python-requests/") {
		return false
	}
	last, ok := c.seen.Get(guest)
	return ok && c.now().Sub(last) < crawlTime
}
