//go:build race

package drive

// race tells whether the tests were built with the race detector: the programs are
// then built with it too.
const race = true
