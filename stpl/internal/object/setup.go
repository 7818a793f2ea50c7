package object

// The method tables are filled once, in this order; they never change after.
func init() {
	setupStr()
	setupBytes() // builds on the methods of str
	setupSequences()
	setupMappings()
	setupConstructors()
}
