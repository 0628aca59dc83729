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

// distance is the number of letters to add, drop, replace, or swap with their
// neighbour. It is written out here because the names are short ASCII and a module
// for it would be larger than its use.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1) // rows[i][j]: from a's first i to b's first j
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
