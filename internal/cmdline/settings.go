package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"

	"remora/internal/nearest"
)

// prefix begins the name of every setting of ours in the environment.
const prefix = "REMORA_"

// Setting is one line of the settings table.
type Setting struct {
	Env     string // its name in the environment
	Flag    string // its name as a flag, without the dash
	Default string
	Doc     string
	bool    bool
}

// Table lists the settings of the settings struct S in the order of its fields.
// A field's tags are env (the name, beginning with REMORA_), envDefault and
// doc; embedded structs are part of the table.
func Table[S any]() []Setting {
	return table(reflect.TypeFor[S]())
}

func table(t reflect.Type) []Setting {
	var settings []Setting
	for f := range t.Fields() {
		if f.Anonymous {
			settings = append(settings, table(f.Type)...)
			continue
		}
		name := f.Tag.Get("env")
		settings = append(settings, Setting{
			Env:     name,
			Flag:    flagName(name),
			Default: f.Tag.Get("envDefault"),
			Doc:     f.Tag.Get("doc"),
			bool:    f.Type.Kind() == reflect.Bool,
		})
	}
	return settings
}

func flagName(envName string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(envName, prefix), "_", "-"))
}

// Parsed is what Load found on the command line besides settings.
type Parsed struct {
	Version     bool
	CheckConfig bool
	Args        Args
}

var errHelp = errors.New("help wanted")

// Load fills the settings struct that s points to from the flags in argv, then
// the environment, then the defaults. It refuses names in the environment that
// begin with REMORA_ and are neither a setting of S nor one of siblings. Its
// errors name the setting and the value.
func Load[S any](s *S, argv, environ, siblings []string) (Parsed, error) {
	table := Table[S]()
	values := env.ToMap(environ)
	parsed, err := parseFlags(table, argv, values)
	// Who asks for help or the version gets it, whatever else is wrong.
	if err != nil || parsed.Version {
		return parsed, err
	}
	if err := refuseUnknown(table, siblings, values); err != nil {
		return Parsed{}, err
	}
	err = env.ParseWithOptions(s, env.Options{
		Environment: values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[time.Duration](): parseDuration,
			reflect.TypeFor[bool]():          parseBool,
		},
	})
	return parsed, explain(reflect.TypeFor[S](), values, err)
}

func refuseUnknown(table []Setting, siblings []string, values map[string]string) error {
	names := slices.Clone(siblings)
	for _, s := range table {
		names = append(names, s.Env)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(name, prefix) || slices.Contains(names, name) {
			continue
		}
		if near, ok := nearest.Name(name, names); ok {
			return fmt.Errorf("%s: unknown setting; did you mean %s?", name, near)
		}
		return fmt.Errorf("%s: unknown setting; -h lists those there are", name)
	}
	return nil
}

func parseFlags(table []Setting, argv []string, values map[string]string) (Parsed, error) {
	var parsed Parsed
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&parsed.Version, "version", false, "")
	flags.BoolVar(&parsed.CheckConfig, "check-config", false, "")
	for _, s := range table {
		set := func(value string) error { values[s.Env] = value; return nil }
		if s.bool {
			flags.BoolFunc(s.Flag, "", set)
		} else {
			flags.Func(s.Flag, "", set)
		}
	}
	err := flags.Parse(argv)
	if errors.Is(err, flag.ErrHelp) {
		return parsed, errHelp
	}
	if err != nil {
		return parsed, explainFlag(flags, err)
	}
	parsed.Args.Words = flags.Args()
	ours := len(argv) - flags.NArg()
	parsed.Args.Command = ours > 0 && argv[ours-1] == "--"
	return parsed, nil
}

const undefinedFlag = "flag provided but not defined: -"

// explainFlag adds the nearest flag. The flag package has no error type for an
// unknown flag, so its text is all there is to go by.
func explainFlag(flags *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), undefinedFlag)
	if !unknown {
		return err
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near, ok := nearest.Name(name, names); ok {
		return fmt.Errorf("-%s: unknown flag; did you mean -%s?", name, near)
	}
	return fmt.Errorf("-%s: unknown flag; -h lists those there are", name)
}

func parseDuration(value string) (any, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d < 0 {
		return nil, errors.New("is negative")
	}
	if err != nil {
		return nil, errors.New("is not a duration with a unit (for example 500ms, 5s or 2m)")
	}
	return d, nil
}

func parseBool(value string) (any, error) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return nil, errors.New("is neither true nor false")
	}
	return b, nil
}

// explain replaces the library's error, which names the struct's field, by one
// that names the setting and its value.
func explain(t reflect.Type, values map[string]string, err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	for i, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			continue
		}
		if field, ok := t.FieldByName(parse.Name); ok {
			name := field.Tag.Get("env")
			all.Errors[i] = fmt.Errorf("%s=%q: %w", name, values[name], parse.Err)
		}
	}
	return errors.Join(all.Errors...)
}

func printHelp(w io.Writer, name, summary, usage string, settings []Setting) {
	fmt.Fprintf(w, "%s: %s\n\nusage:\n", name, summary)
	for line := range strings.Lines(usage) {
		fmt.Fprint(w, "  ", line)
	}
	fmt.Fprint(w, "\n\nsettings (flag, environment, default; a flag wins over the environment):\n")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(tw, "  -%s\t%s\t%s\t%s\n", s.Flag, s.Env, s.Default, s.Doc)
	}
	fmt.Fprint(tw, "  -check-config\t\t\tcheck settings and arguments, then exit\n")
	fmt.Fprint(tw, "  -version\t\t\tprint the version and exit\n")
	fmt.Fprint(tw, "  -h\t\t\tprint this and exit\n")
	if err := tw.Flush(); err != nil {
		return // there is nowhere left to print to
	}
}
