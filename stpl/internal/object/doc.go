// Package object holds the values that templates compute with: their types,
// operators, methods and text forms. It follows Python 3.11 and
// knows nothing of template syntax.
//
// Every operation takes a [Thread], whose meter has the budget of one render.
// What could grow without bound asks it for steps and memory beforehand.
package object
