// Package settings is the table of everything that can be set: one struct per
// program, from which environment, flags, -h and docs/settings.md all come.
package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"remora/internal/cmdline"
)

// Log says how a program logs.
type Log struct {
	LogLevel  LogLevel  `env:"REMORA_LOG_LEVEL" envDefault:"info" doc:"least severe message to log: debug, info, warn or error"`
	LogFormat LogFormat `env:"REMORA_LOG_FORMAT" envDefault:"text" doc:"text or json"`
}

// Logger returns the logger that the settings ask for, writing to w.
func (l Log) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: levels[l.LogLevel]}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Consul says how patient to be with Consul. How to reach it is said by
// Consul's own variables, CONSUL_HTTP_ADDR and so on.
type Consul struct {
	ConsulTimeout time.Duration `env:"REMORA_CONSUL_TIMEOUT" envDefault:"5s" doc:"longest wait for one answer of Consul"`
}

// Stop says how an instance leaves.
type Stop struct {
	Drain time.Duration `env:"REMORA_DRAIN" envDefault:"2s" doc:"time in Consul maintenance before the app is told to stop, for load balancers to look away"`
}

// Init is what init can be told.
type Init struct {
	ConsulPolicy ConsulPolicy  `env:"REMORA_CONSUL_POLICY" envDefault:"start" doc:"when Consul is away at start: wait (for ever), start (the app, after REMORA_CONSUL_WAIT, and register once Consul is back) or fail (after REMORA_CONSUL_WAIT)"`
	ConsulWait   time.Duration `env:"REMORA_CONSUL_WAIT" envDefault:"30s" doc:"how long to try to register before REMORA_CONSUL_POLICY decides"`
	Checks       Checks        `env:"REMORA_CHECKS" envDefault:"agent" doc:"who runs the checks: agent (the Consul agent) or sidecar"`
	Stop
	StopTimeout time.Duration `env:"REMORA_STOP_TIMEOUT" envDefault:"9s" doc:"from the stop signal to the end, drain included; Docker kills after 10s"`
	Consul
	Log
}

// Sidecar is what sidecar can be told.
type Sidecar struct {
	Checks     Checks        `env:"REMORA_CHECKS" envDefault:"sidecar" doc:"who runs the checks: sidecar (TTL checks in Consul) or agent (the Consul agent)"`
	TTL        time.Duration `env:"REMORA_TTL" envDefault:"30s" doc:"Consul calls the instance critical when the sidecar was silent for so long"`
	Deregister Deregister    `env:"REMORA_DEREGISTER" envDefault:"always" doc:"on stop: always or never"`
	Stop
	Templates    string        `env:"REMORA_TEMPLATES" doc:"directory of consul-template templates (*.ctmpl, *.tmpl), rendered as one set; other files in it are copied"`
	Candidate    string        `env:"REMORA_CANDIDATE" envDefault:"/candidate/current" doc:"where the rendered set appears: a symlink in a mounted directory"`
	RenderQuiet  time.Duration `env:"REMORA_RENDER_QUIET" envDefault:"100ms" doc:"after a render, changes within this time are rendered together"`
	RenderGrace  time.Duration `env:"REMORA_RENDER_GRACE" envDefault:"20s" doc:"after trouble with Consul, how long answers with fewer entries than before are held back, until everybody has registered again"`
	RenderReread time.Duration `env:"REMORA_RENDER_REREAD" envDefault:"30s" doc:"how often the templates are read again even if nothing reported a change"`
	Once         bool          `env:"REMORA_ONCE" envDefault:"false" doc:"render once, then exit; nothing is registered"`
	Consul
	Log
}

// Reloader is what reloader can be told.
type Reloader struct {
	Target         Target        `env:"REMORA_TARGET" doc:"what is reloaded: haproxy or nginx; after -- it follows from the command"`
	Candidate      string        `env:"REMORA_CANDIDATE" envDefault:"/candidate/current" doc:"directory of the files to bring live"`
	Live           string        `env:"REMORA_LIVE" envDefault:"/live/current" doc:"symlink, in a mounted directory, to the files that the target runs on"`
	MasterSocket   string        `env:"REMORA_MASTER_SOCKET" envDefault:"/run/haproxy/master.sock" doc:"HAProxy's master socket (haproxy -W -S …)"`
	ReloadTimeout  time.Duration `env:"REMORA_RELOAD_TIMEOUT" envDefault:"30s" doc:"longest wait for a validation or for the verdict on a reload"`
	ReloadInterval time.Duration `env:"REMORA_RELOAD_INTERVAL" envDefault:"500ms" doc:"least time between two reloads"`
	Reread         time.Duration `env:"REMORA_REREAD" envDefault:"5s" doc:"how often the candidate is read again even if nothing reported a change"`
	StopTimeout    time.Duration `env:"REMORA_STOP_TIMEOUT" envDefault:"9s" doc:"after --: from the stop signal until the target is killed; Docker kills after 10s"`
	Log
}

// Names lists the names of all settings of the toolkit.
func Names() []string {
	var names []string
	for _, s := range slices.Concat(cmdline.Table[Init](), cmdline.Table[Sidecar](), cmdline.Table[Reloader]()) {
		names = append(names, s.Env)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// LogLevel is the least severe level that is logged.
type LogLevel string

var levels = map[LogLevel]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// UnmarshalText accepts debug, info, warn and error.
func (l *LogLevel) UnmarshalText(text []byte) error {
	return choose(l, text, "debug", "info", "warn", "error")
}

// LogFormat is text or json.
type LogFormat string

// UnmarshalText accepts text and json.
func (f *LogFormat) UnmarshalText(text []byte) error { return choose(f, text, "text", "json") }

// ConsulPolicy is what init does when Consul is away at start.
type ConsulPolicy string

// The values of ConsulPolicy.
const (
	PolicyWait  ConsulPolicy = "wait"  // try for ever
	PolicyStart ConsulPolicy = "start" // start the app, keep trying
	PolicyFail  ConsulPolicy = "fail"  // give up
)

// UnmarshalText accepts the values of ConsulPolicy.
func (p *ConsulPolicy) UnmarshalText(text []byte) error {
	return choose(p, text, PolicyWait, PolicyStart, PolicyFail)
}

// Checks says who runs an instance's checks.
type Checks string

// The values of Checks.
const (
	ChecksAgent   Checks = "agent"   // the Consul agent, from where it is
	ChecksSidecar Checks = "sidecar" // the sidecar, from the app's own network
)

// UnmarshalText accepts the values of Checks.
func (c *Checks) UnmarshalText(text []byte) error {
	return choose(c, text, ChecksAgent, ChecksSidecar)
}

// Deregister is what a stopping sidecar does with its registrations.
type Deregister string

// The values of Deregister.
const (
	DeregisterAlways Deregister = "always"
	DeregisterNever  Deregister = "never"
)

// UnmarshalText accepts the values of Deregister.
func (d *Deregister) UnmarshalText(text []byte) error {
	return choose(d, text, DeregisterAlways, DeregisterNever)
}

// Target is a program that reloader knows how to reload.
type Target string

// The values of Target.
const (
	TargetHAProxy Target = "haproxy"
	TargetNginx   Target = "nginx"
)

// UnmarshalText accepts the values of Target.
func (t *Target) UnmarshalText(text []byte) error {
	return choose(t, text, TargetHAProxy, TargetNginx)
}

func choose[T ~string](to *T, text []byte, values ...T) error {
	if slices.Contains(values, T(text)) {
		*to = T(text)
		return nil
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return errors.New("is not one of " + strings.Join(words, ", "))
}

// CheckConsul says what is wrong with c.
func CheckConsul(c Consul) error {
	if c.ConsulTimeout <= 0 {
		return fmt.Errorf("REMORA_CONSUL_TIMEOUT=%q: is not longer than 0", c.ConsulTimeout)
	}
	return nil
}

// CheckStop says whether a drain fits into a stop timeout together with
// reserve, the time kept for ending the app and the registration.
func CheckStop(drain, timeout, reserve time.Duration) error {
	if drain+reserve <= timeout {
		return nil
	}
	return fmt.Errorf("REMORA_STOP_TIMEOUT=%q: is too short for REMORA_DRAIN=%q and %s for the rest of the stop",
		timeout, drain, reserve)
}
