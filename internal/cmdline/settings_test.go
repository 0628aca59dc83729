package cmdline

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paint is a settings struct with a field of each kind.
type paint struct {
	Color color  `env:"REMORA_COLOR" envDefault:"red" doc:"which color"`
	Place string `env:"REMORA_PLACE_NAME" doc:"where"`
	Once  bool   `env:"REMORA_ONCE" envDefault:"false" doc:"stop after one"`
	Drying
}

// Drying is part of several settings structs.
type Drying struct {
	Wait time.Duration `env:"REMORA_WAIT" envDefault:"5s" doc:"how long"`
}

func (paint) Logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

type color string

func (c *color) UnmarshalText(text []byte) error {
	if string(text) != "red" && string(text) != "blue" {
		return errors.New("is not one of red, blue")
	}
	*c = color(text)
	return nil
}

var siblings = []string{"REMORA_BRUSH"}

func TestFlagsWinOverTheEnvironmentAndThatOverDefaults(t *testing.T) {
	for _, tc := range []struct {
		name    string
		argv    []string
		environ []string
		want    paint
	}{
		{"nothing is set", nil, nil, paint{Color: "red", Drying: Drying{5 * time.Second}}},
		{"by the environment", nil,
			[]string{"REMORA_COLOR=blue", "REMORA_PLACE_NAME=here", "REMORA_ONCE=true", "REMORA_WAIT=1m"},
			paint{Color: "blue", Place: "here", Once: true, Drying: Drying{time.Minute}}},
		{"by flags", []string{"-color", "blue", "-place-name=there", "-once", "-wait=0s"}, nil,
			paint{Color: "blue", Place: "there", Once: true}},
		{"by both", []string{"-wait=2s", "-once=false"}, []string{"REMORA_WAIT=1m", "REMORA_ONCE=true", "REMORA_COLOR=blue"},
			paint{Color: "blue", Drying: Drying{2 * time.Second}}},
		// Compose sets an empty value where its own variable is not set.
		{"empty is not set", nil, []string{"REMORA_COLOR=", "REMORA_WAIT=", "REMORA_ONCE=", "REMORA_PLACE_NAME="},
			paint{Color: "red", Drying: Drying{5 * time.Second}}},
		{"others' names are let be", nil, []string{"REMORA_BRUSH=thick", "OTHER=1", "remora_color=x", "NONSENSE"},
			paint{Color: "red", Drying: Drying{5 * time.Second}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got paint
			if _, err := Load(&got, tc.argv, tc.environ, siblings); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesNameTheSettingAndItsValue(t *testing.T) {
	for _, tc := range []struct {
		argv, environ []string
		want          string
	}{
		{nil, []string{"REMORA_WAIT=5"}, `REMORA_WAIT="5": is not a duration with a unit (for example 500ms, 5s or 2m)`},
		{nil, []string{"REMORA_WAIT=-5s"}, `REMORA_WAIT="-5s": is negative`},
		{[]string{"-wait=soon"}, nil, `REMORA_WAIT="soon": is not a duration`},
		{nil, []string{"REMORA_COLOR=green"}, `REMORA_COLOR="green": is not one of red, blue`},
		{nil, []string{"REMORA_ONCE=twice"}, `REMORA_ONCE="twice": is neither true nor false`},
		{[]string{"-once=twice"}, nil, `REMORA_ONCE="twice": is neither true nor false`},
		{nil, []string{"REMORA_COLOUR=red"}, "REMORA_COLOUR: unknown setting; did you mean REMORA_COLOR?"},
		{nil, []string{"REMORA_BRUHS=thin"}, "REMORA_BRUHS: unknown setting; did you mean REMORA_BRUSH?"},
		{nil, []string{"REMORA_ZZZZZZZZZ="}, "REMORA_ZZZZZZZZZ: unknown setting; -h lists those there are"},
		{[]string{"-colour=red"}, nil, "-colour: unknown flag; did you mean -color?"},
		{[]string{"-chekc-config"}, nil, "-chekc-config: unknown flag; did you mean -check-config?"},
		{[]string{"-zzzzz"}, nil, "-zzzzz: unknown flag; -h lists those there are"},
		{[]string{"-color"}, nil, "flag needs an argument: -color"},
	} {
		var s paint
		_, err := Load(&s, tc.argv, tc.environ, siblings)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Load(%q, %q): %v, want %s", tc.argv, tc.environ, err, tc.want)
		}
	}
}

func TestEveryMistakeIsSaid(t *testing.T) {
	var s paint
	_, err := Load(&s, nil, []string{"REMORA_WAIT=5", "REMORA_COLOR=green"}, nil)
	if err == nil || !strings.Contains(err.Error(), "REMORA_WAIT") || !strings.Contains(err.Error(), "REMORA_COLOR") {
		t.Errorf("error %v, want both settings", err)
	}
}

func TestWhatIsLeftOnTheCommandLine(t *testing.T) {
	for _, tc := range []struct {
		argv []string
		want Args
	}{
		{nil, Args{}},
		{[]string{"-once"}, Args{}},
		{[]string{"register"}, Args{Words: []string{"register"}}},
		{[]string{"-wait", "1s", "register", "-once"}, Args{Words: []string{"register", "-once"}}},
		{[]string{"--"}, Args{Command: true}},
		{[]string{"--", "app", "-once", "--", "-h"}, Args{Words: []string{"app", "-once", "--", "-h"}, Command: true}},
		{[]string{"-once", "--", "app"}, Args{Words: []string{"app"}, Command: true}},
		{[]string{"register", "--", "app"}, Args{Words: []string{"register", "--", "app"}}},
	} {
		var s paint
		parsed, err := Load(&s, tc.argv, nil, nil)
		if err != nil {
			t.Errorf("Load(%q): %v", tc.argv, err)
			continue
		}
		if len(parsed.Args.Words) == 0 {
			parsed.Args.Words = nil
		}
		if diff := cmp.Diff(tc.want, parsed.Args); diff != "" {
			t.Errorf("Load(%q) (-want +got):\n%s", tc.argv, diff)
		}
	}
}

func TestTableListsEmbeddedFieldsInOrder(t *testing.T) {
	want := []Setting{
		{Env: "REMORA_COLOR", Flag: "color", Default: "red", Doc: "which color"},
		{Env: "REMORA_PLACE_NAME", Flag: "place-name", Doc: "where"},
		{Env: "REMORA_ONCE", Flag: "once", Default: "false", Doc: "stop after one", bool: true},
		{Env: "REMORA_WAIT", Flag: "wait", Default: "5s", Doc: "how long"},
	}
	if diff := cmp.Diff(want, Table[paint](), cmp.AllowUnexported(Setting{})); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
