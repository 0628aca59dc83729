// Package nearest finds the known name that a mistyped one was meant to be.
package nearest

// Name returns the entry of known that is the fewest edits away from name, and
// whether it is near enough to be worth suggesting: at most a third of the
// name's length. Ties go to the entry that comes first.
func Name(name string, known []string) (string, bool) {
	best, bestDistance := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best, best != ""
}

// distance is the Levenshtein distance in bytes. It is written out here because
// the names are short ASCII and a module for it would be larger than its use.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
