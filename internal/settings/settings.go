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

	"remora/internal/address"
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
	AuthMethod    string        `env:"REMORA_CONSUL_AUTH_METHOD" doc:"auth method to log in by for registrations, at first need and again when the token is gone; wins over CONSUL_HTTP_TOKEN and its file"`
	AuthBearer    string        `env:"REMORA_CONSUL_AUTH_BEARER_FILE" doc:"file with the bearer token (such as a JWT) for the auth method, read at each login"`
	AuthMeta      Pairs         `env:"REMORA_CONSUL_AUTH_META" doc:"meta of the token that the login makes: key=value, with commas between"`
}

// Address says which address of this host is registered. SERVICE_ADDRESS wins.
type Address struct {
	From   address.From   `env:"REMORA_ADDRESS" envDefault:"route" doc:"address to register without SERVICE_ADDRESS: route (this host's on the route to Consul), an interface (eth1), a network that it is in (10.0.0.0/8), or the address itself; of several, the first, IPv4 before IPv6"`
	Family address.Family `env:"REMORA_IP_FAMILY" envDefault:"any" doc:"any, 4 or 6: the family of the address to register"`
}

// Wish is what package address makes of it.
func (a Address) Wish() address.Wish { return address.Wish{From: a.From, Family: a.Family} }

// Stop says how an instance leaves.
type Stop struct {
	Drain time.Duration `env:"REMORA_DRAIN" envDefault:"2s" doc:"time in Consul maintenance before the app is told to stop, for load balancers to look away"`
}

// Init is what init can be told.
type Init struct {
	ConsulPolicy ConsulPolicy  `env:"REMORA_CONSUL_POLICY" envDefault:"start" doc:"when Consul is away at start: wait (for ever), start (the app, after REMORA_CONSUL_WAIT, and register once Consul is back) or fail (after REMORA_CONSUL_WAIT)"`
	ConsulWait   time.Duration `env:"REMORA_CONSUL_WAIT" envDefault:"30s" doc:"how long to try to register before REMORA_CONSUL_POLICY decides"`
	HandOver     HandOver      `env:"REMORA_HAND_OVER" envDefault:"supervise" doc:"how the app is run: supervise (as init's child) or exec (init becomes the app: no drain, no deregistration and no restored registration, unless a sidecar does that)"`
	Checks       Checks        `env:"REMORA_CHECKS" envDefault:"agent" doc:"who runs the checks: agent (the Consul agent) or sidecar"`
	Stop
	Deregister  Deregister    `env:"REMORA_DEREGISTER" envDefault:"always" doc:"when the app has ended: always, on-success (if it ended with 0 or by a signal) or never; otherwise the instance stays, in maintenance that says why, until its next start"`
	StopTimeout time.Duration `env:"REMORA_STOP_TIMEOUT" envDefault:"9s" doc:"from the stop signal to the end, drain included; Docker kills after 10s"`
	Address
	Consul
	Log
}

// Sidecar is what sidecar can be told.
type Sidecar struct {
	Checks     Checks        `env:"REMORA_CHECKS" envDefault:"sidecar" doc:"who runs the checks: sidecar (TTL checks in Consul) or agent (the Consul agent)"`
	TTL        time.Duration `env:"REMORA_TTL" envDefault:"30s" doc:"Consul calls the instance critical when the sidecar was silent for so long"`
	Deregister Deregister    `env:"REMORA_DEREGISTER" envDefault:"always" doc:"on stop: always, on-success (which is the same here: only init sees how the app ended) or never"`
	Stop
	Templates    string        `env:"REMORA_TEMPLATES" doc:"directory of consul-template templates (*.ctmpl, *.tmpl), rendered as one set; other files in it are copied"`
	Candidate    string        `env:"REMORA_CANDIDATE" envDefault:"/candidate/current" doc:"where the rendered set appears: a symlink in a mounted directory"`
	RenderQuiet  time.Duration `env:"REMORA_RENDER_QUIET" envDefault:"100ms" doc:"after a render, changes within this time are rendered together"`
	RenderGrace  time.Duration `env:"REMORA_RENDER_GRACE" envDefault:"20s" doc:"after trouble with Consul, how long answers with fewer entries than before are held back, until everybody has registered again"`
	RenderReread time.Duration `env:"REMORA_RENDER_REREAD" envDefault:"30s" doc:"how often the templates are read again even if nothing reported a change"`
	Once         bool          `env:"REMORA_ONCE" envDefault:"false" doc:"render once, then exit; nothing is registered"`
	Admin        string        `env:"REMORA_ADMIN" envDefault:"auto" doc:"socket on which sidecar answers status, health, drain and maintenance: auto (one of this container's own, in no file system), unix:///path, unix://@name or off"`
	Address
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

// HandOver is how init runs the app.
type HandOver string

// The values of HandOver.
const (
	HandOverSupervise HandOver = "supervise" // as a child
	HandOverExec      HandOver = "exec"      // in its own place
)

// UnmarshalText accepts the values of HandOver.
func (h *HandOver) UnmarshalText(text []byte) error {
	return choose(h, text, HandOverSupervise, HandOverExec)
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

// Deregister is what init and sidecar do with their registrations in the end.
type Deregister string

// The values of Deregister.
const (
	DeregisterAlways    Deregister = "always"
	DeregisterOnSuccess Deregister = "on-success" // unless the app failed, which init alone sees
	DeregisterNever     Deregister = "never"
)

// UnmarshalText accepts the values of Deregister.
func (d *Deregister) UnmarshalText(text []byte) error {
	return choose(d, text, DeregisterAlways, DeregisterOnSuccess, DeregisterNever)
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
	switch {
	case c.ConsulTimeout <= 0:
		return fmt.Errorf("REMORA_CONSUL_TIMEOUT=%q: is not longer than 0", c.ConsulTimeout)
	case c.AuthMethod != "" && c.AuthBearer == "":
		return fmt.Errorf("REMORA_CONSUL_AUTH_METHOD=%q: needs REMORA_CONSUL_AUTH_BEARER_FILE", c.AuthMethod)
	case c.AuthMethod == "" && c.AuthBearer != "":
		return fmt.Errorf("REMORA_CONSUL_AUTH_BEARER_FILE=%q: needs REMORA_CONSUL_AUTH_METHOD", c.AuthBearer)
	case c.AuthMethod == "" && c.AuthMeta != "":
		return fmt.Errorf("REMORA_CONSUL_AUTH_META=%q: needs REMORA_CONSUL_AUTH_METHOD", string(c.AuthMeta))
	}
	return nil
}

// Pairs are key=value, with commas between them.
type Pairs string

// UnmarshalText refuses what has no key.
func (p *Pairs) UnmarshalText(text []byte) error {
	*p = Pairs(text)
	if len(text) > 0 && p.Map() == nil {
		return errors.New("is not key=value, with commas between")
	}
	return nil
}

// Map returns the pairs; nil if there are none, or not all are pairs.
func (p Pairs) Map() map[string]string {
	if p == "" {
		return nil
	}
	pairs := map[string]string{}
	for one := range strings.SplitSeq(string(p), ",") {
		key, value, found := strings.Cut(strings.TrimSpace(one), "=")
		if !found || key == "" {
			return nil
		}
		pairs[key] = value
	}
	return pairs
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
