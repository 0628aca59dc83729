package settings_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"remora/internal/cmdline"
	"remora/internal/settings"
)

// program is what the tests need to know of a program's table.
type program struct {
	name     string
	kind     reflect.Type
	table    []cmdline.Setting
	defaults func() error // loads the table with nothing set
}

func of[S any](name string) program {
	return program{name, reflect.TypeFor[S](), cmdline.Table[S](), func() error {
		var s S
		_, err := cmdline.Load(&s, nil, nil, nil)
		return err
	}}
}

func programs() []program {
	return []program{of[settings.Init]("init"), of[settings.Sidecar]("sidecar"), of[settings.Reloader]("reloader")}
}

func TestEverySettingIsNamedAndExplained(t *testing.T) {
	for _, p := range programs() {
		for _, s := range p.table {
			if !strings.HasPrefix(s.Env, "REMORA_") || s.Env != strings.ToUpper(s.Env) || s.Flag == "" {
				t.Errorf("%s: %q with flag %q is not a name of ours", p.name, s.Env, s.Flag)
			}
			if s.Doc == "" {
				t.Errorf("%s: %s has no doc", p.name, s.Env)
			}
		}
	}
}

func TestDefaultsAreLegal(t *testing.T) {
	for _, p := range programs() {
		if err := p.defaults(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if len(p.table) < p.kind.NumField() {
			t.Errorf("%s: the table has %d settings, its struct %d fields", p.name, len(p.table), p.kind.NumField())
		}
	}
}

func TestNamesAreUniqueWithinAProgram(t *testing.T) {
	all := settings.Names()
	for _, p := range programs() {
		seen := map[string]bool{}
		for _, s := range p.table {
			if seen[s.Env] {
				t.Errorf("%s: %s is there twice", p.name, s.Env)
			}
			seen[s.Env] = true
			if !slices.Contains(all, s.Env) {
				t.Errorf("Names() lacks %s of %s: its siblings would refuse it", s.Env, p.name)
			}
		}
	}
}

func TestLogger(t *testing.T) {
	for _, tc := range []struct {
		log  settings.Log
		want string // nothing for a level that is not logged
	}{
		{settings.Log{LogLevel: "info", LogFormat: "text"}, "level=INFO msg=hello"},
		{settings.Log{LogLevel: "debug", LogFormat: "json"}, `"level":"INFO","msg":"hello"`},
		{settings.Log{LogLevel: "warn", LogFormat: "text"}, ""},
	} {
		var out bytes.Buffer
		tc.log.Logger(&out).Info("hello")
		if got := out.String(); !strings.Contains(got, tc.want) || (tc.want == "") != (got == "") {
			t.Errorf("%+v logs %q, want %q in it", tc.log, got, tc.want)
		}
	}
}

func TestCheckStopLeavesTimeForTheRest(t *testing.T) {
	for _, tc := range []struct {
		drain, timeout time.Duration
		ok             bool
	}{{0, time.Second, true}, {2 * time.Second, 9 * time.Second, true}, {8 * time.Second, 9 * time.Second, true}, {9 * time.Second, 9 * time.Second, false}} {
		err := settings.CheckStop(tc.drain, tc.timeout, time.Second)
		if (err == nil) != tc.ok {
			t.Errorf("CheckStop(%s, %s) = %v, want ok %v", tc.drain, tc.timeout, err, tc.ok)
		}
		if err != nil && !strings.Contains(err.Error(), "REMORA_STOP_TIMEOUT") {
			t.Errorf("error %q, want the setting's name in it", err)
		}
	}
}

func TestEnumsNameTheirValues(t *testing.T) {
	for environ, want := range map[string]string{
		"REMORA_LOG_LEVEL=loud":      "debug, info, warn, error",
		"REMORA_LOG_FORMAT=xml":      "text, json",
		"REMORA_CONSUL_POLICY=maybe": "wait, start, fail",
		"REMORA_CHECKS=nobody":       "agent, sidecar",
	} {
		var s settings.Init
		_, err := cmdline.Load(&s, nil, []string{environ}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", environ, err, want)
		}
	}
}
