// Package attacks tests mdserver against hostile guests and local users: each
// test is one attack, made by real packets in network namespaces, and its name
// says which. docs/development/attacks.md names every one beside the threat that it is an
// example of.
//
// Most tests run twice, with port security and without it. Where only port
// security helps, the test without it checks that the attack does succeed, so
// that it is known to be an attack.
package attacks
