package etcdstore

import "strings"

// Kinds are the first parts of all keys below the prefix. Keys with another one
// are of another program.
func Kinds() []string {
	var list []string
	for _, key := range []string{schemaKey, guestsKey, restingKey, sparesKey, "claims", writersKey, notesKey, asideKey, "hosts", "alive", "drained"} {
		list = append(list, strings.TrimSuffix(key, "/"))
	}
	return list
}
