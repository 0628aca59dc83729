//go:build !race

package drive

const race = false
