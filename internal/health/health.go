// Package health names what is wrong with a server that runs. Its parts know how
// they do; here is what they have in common, and what the host lacks.
package health

import "mdserver/internal/api"

// Trouble is something that is wrong now, or was and can come back.
type Trouble = api.Trouble
