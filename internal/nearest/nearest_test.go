package nearest_test

import (
	"testing"

	"remora/internal/nearest"
)

func TestName(t *testing.T) {
	known := []string{"REMORA_DRAIN", "REMORA_LIVE", "REMORA_LOG_LEVEL", "drain", "live"}
	for _, tc := range []struct {
		name, want string
		ok         bool
	}{
		{"REMORA_DRIAN", "REMORA_DRAIN", true},
		{"REMORA_LOGLEVEL", "REMORA_LOG_LEVEL", true},
		{"REMORA_LIVE", "REMORA_LIVE", true},
		{"drian", "drain", true}, // neighbours swapped are one mistake
		{"darin", "drain", true},
		{"drai", "drain", true},
		{"lief", "", false},
		{"SOMETHING_ELSE_ENTIRELY", "", false},
		{"", "", false},
	} {
		got, ok := nearest.Name(tc.name, known)
		if got != tc.want || ok != tc.ok {
			t.Errorf("Name(%q) = %q, %v; want %q, %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}
