package settings_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"remora/internal/cmdline"
	"remora/internal/service"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

// TestDocsSayWhatTheCodeSays holds docs/settings.md equal to the tables in the
// code. After a change of a table: go test ./internal/settings -update
func TestDocsSayWhatTheCodeSays(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "settings.md")
	want := page()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/settings.md is stale; go test ./internal/settings -update writes it anew (-file +code):\n%s", diff)
	}
}

const head = `# Settings

<!-- Written by: go test ./internal/settings -update -->

A setting is a variable in the environment and a flag: ` + "`REMORA_DRAIN=5s`" + ` is ` + "`-drain 5s`" + `. The
flag wins. An empty value is the default. Durations have a unit: ` + "`500ms`, `5s`, `2m`" + `. A name that
begins with ` + "`REMORA_`" + ` and is no setting of any program is refused, and so is a value that cannot be;
the message names the setting, and exit code is 2. ` + "`-h`" + ` prints a program's table, ` + "`-check-config`" + `
checks what is set and exits, ` + "`-version`" + ` prints the version.
`

// page is all of docs/settings.md.
func page() string {
	var b strings.Builder
	b.WriteString(head)
	for _, p := range programs() {
		fmt.Fprintf(&b, "\n## %s\n\n", p.name)
		rows := [][]string{{"setting", "flag", "default", "meaning"}}
		for _, s := range p.table {
			rows = append(rows, []string{code(s.Env), code("-" + s.Flag), code(s.Default), s.Doc})
		}
		table(&b, rows)
	}
	b.WriteString(`
## The service

` + "`SERVICE_<KEY>`" + ` declares a key for every port, ` + "`SERVICE_<port>_<KEY>`" + ` for one port, and wins;
` + "`SERVICE_<port>_udp_<KEY>`" + ` and ` + "`SERVICE_<port>_tcp_<KEY>`" + ` are for one protocol of a port, and win over
both. A port that is declared by protocol has that alone; others are TCP. Any other key becomes meta of the
instance in Consul, its name in lower case. ` + "`lb.<key>` and `lb.<port>.<key>`" + ` are other words for
` + "`SERVICE_LB_<KEY>` and `SERVICE_<port>_LB_<KEY>`" + `.

A service has one check, or several: ` + "`SERVICE_CHECK_2_<KEY>`, `SERVICE_CHECK_3_<KEY>`" + ` and so on declare
further ones, each with its own settings. Of several kinds for one check the first in the order of this table
wins. ` + "`init explain` and `sidecar explain`" + ` print what would be registered, and which key or rule each value
is from; with ` + "`-json`" + ` as JSON. ` + "`init lint` and `sidecar lint`" + ` print what looks wrong, such as a key that
is nearly a known one, and then exit with 1.

`)
	rows := [][]string{{"key", "default", "meaning"}}
	for _, k := range service.Keys() {
		rows = append(rows, []string{code("SERVICE_" + k.Name), code(k.Default), k.Doc})
	}
	table(&b, rows)
	b.WriteString("\nWho can run a check (`REMORA_CHECKS`):\n\n")
	table(&b, runners())
	b.WriteString("\n## Consul\n\nConsul is found by its own variables, as by its own tools. The app gets them too, as they are.\n\n")
	table(&b, consulVariables)
	b.WriteString("\n## Exit codes\n\n")
	table(&b, exitCodes())
	return b.String()
}

func runners() [][]string {
	rows := [][]string{{"check", "agent", "sidecar"}}
	for _, kind := range service.Kinds() {
		row := []string{code("SERVICE_CHECK_" + strings.ToUpper(string(kind)))}
		for _, runner := range []service.Runner{service.Agent, service.Sidecar} {
			switch {
			case kind == service.TTL:
				row = append(row, "others report it")
			case kind == service.Alias:
				row = append(row, "the agent does")
			case runner.Runs(kind):
				row = append(row, "yes")
			default:
				row = append(row, "no")
			}
		}
		rows = append(rows, row)
	}
	return rows
}

var consulVariables = [][]string{
	{"variable", "default", "meaning"},
	{code(api.HTTPAddrEnvName), "`127.0.0.1:8500`", "the agent: `host:port`, `https://host:port` or `unix:///path`"},
	{code(api.HTTPTokenEnvName), "", "ACL token"},
	{code(api.HTTPTokenFileEnvName), "", "file that holds the ACL token, read again for each request about registrations; wins over the token"},
	{code(api.HTTPAuthEnvName), "", "`user:password` for a proxy before Consul"},
	{code(api.HTTPSSLEnvName), "`false`", "true: TLS, as `https://` in the address"},
	{code(api.HTTPSSLVerifyEnvName), "`true`", "false: Consul's certificate is not verified"},
	{code(api.HTTPCAFile), "", "file of the CA certificates that Consul's is verified by"},
	{code(api.HTTPCAPath), "", "directory of such files"},
	{code(api.HTTPClientCert), "", "client certificate file"},
	{code(api.HTTPClientKey), "", "the client certificate's key file"},
	{code(api.HTTPTLSServerName), "", "name that Consul's certificate must have"},
	{code(api.HTTPNamespaceEnvName), "", "namespace (Consul Enterprise)"},
	{code(api.HTTPPartitionEnvName), "", "admin partition (Consul Enterprise)"},
}

func exitCodes() [][]string {
	row := func(number int, meaning string) []string { return []string{code(fmt.Sprint(number)), meaning} }
	return [][]string{
		{"code", "meaning"},
		row(0, "done, or stopped as told"),
		row(cmdline.ExitRuntime, "something that was needed could not be done"),
		row(cmdline.ExitUsage, "a flag, a setting or a file cannot be right; or Consul refused the registration as it is"),
		row(cmdline.ExitNotExecutable, "the app's command cannot be executed"),
		row(cmdline.ExitNotFound, "the app's command does not exist"),
		{"`128+n`", "the app, or the program before it had an app, was ended by signal n"},
		{"any other", "the app's own"},
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// table writes rows as a Markdown table, the first as its head.
func table(b *strings.Builder, rows [][]string) {
	escape := strings.NewReplacer("|", `\|`, "*", `\*`)
	for n, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + escape.Replace(cell) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}
