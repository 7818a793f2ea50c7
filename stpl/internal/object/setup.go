package object

// The method tables are filled once and never change after. Those of str and
// bytes are filled by package text.
func init() {
	setupSequences()
	setupMappings()
	setupConstructors()
}
