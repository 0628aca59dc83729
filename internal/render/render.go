// Package render renders a directory of consul-template templates into a set of
// files, and keeps the set current. The language is consul-template's own, from
// its library; the loop is ours, because theirs ends on errors, writes files one
// by one, and empties them when Consul has just restarted.
package render

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul-template/dependency"
	"github.com/hashicorp/consul-template/template"

	"remora/internal/catalog"
	"remora/internal/dirwatch"
	"remora/internal/generation"
	"remora/internal/trouble"
)

// Set is a directory of templates and the place where what they make appears.
type Set struct {
	// Templates is the directory; names that end in .ctmpl or .tmpl are rendered
	// to the name without that, all others are copied.
	Templates string
	// Candidate is the symlink that points to the files.
	Candidate string
	// Quiet is the time after a change of the files in which further changes are
	// collected.
	Quiet time.Duration
	// Grace is how long, after trouble with Consul, answers with fewer entries than
	// before are held back.
	Grace time.Duration
	// Reread is how often the templates are read even if nothing reported a change.
	Reread time.Duration
}

// Renderer keeps a set current.
type Renderer struct {
	set     Set
	log     *slog.Logger
	brain   *template.Brain
	watches *catalog.Watches
	store   *generation.Store

	problem string // the last one logged, so that it is logged once

	mu    sync.Mutex
	state State
}

// New returns a renderer. It fails if the candidate's directory cannot be
// written to.
func New(log *slog.Logger, set Set) (*Renderer, error) {
	store, err := generation.Open(filepath.Dir(set.Candidate))
	if err != nil {
		return nil, fmt.Errorf("candidate %s: %w", set.Candidate, err)
	}
	brain := template.NewBrain()
	watches, err := catalog.New(log, brain, set.Grace)
	if err != nil {
		return nil, err
	}
	r := &Renderer{set: set, log: log, brain: brain, watches: watches, store: store}
	if _, err := store.Pointed(r.link()); err != nil {
		return nil, fmt.Errorf("candidate %w", err)
	}
	return r, nil
}

// link is the name of the candidate's symlink in the store.
func (r *Renderer) link() string { return filepath.Base(r.set.Candidate) }

// Run renders until ctx ends. Trouble with a template or with Consul is logged;
// the files stay as they were.
func (r *Renderer) Run(ctx context.Context) {
	defer r.watches.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	templates := dirwatch.Watch(ctx, r.log, r.set.Templates, r.set.Reread)
	for {
		if r.pass(ctx) && !trouble.Wait(ctx, r.set.Quiet) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.watches.Changed():
		case <-templates:
		}
	}
}

// Once renders the set once, waiting for Consul as long as ctx lives.
func (r *Renderer) Once(ctx context.Context) error {
	defer r.watches.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		files, err := r.render(ctx)
		if err == nil {
			_, err = r.publish(files)
			return err
		}
		if !errors.Is(err, errWaiting) {
			return err
		}
		r.report(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-r.watches.Changed():
		}
	}
}

// pass renders and publishes, and tells whether the published files changed.
func (r *Renderer) pass(ctx context.Context) bool {
	files, err := r.render(ctx)
	changed := false
	if err == nil {
		changed, err = r.publish(files)
	}
	r.report(err)
	return changed
}

// report logs a problem when it begins and when it is another one, and its end.
func (r *Renderer) report(err error) {
	var waiting []string
	if errors.Is(err, errWaiting) {
		waiting = r.watches.Waiting()
	}
	r.note(err, waiting)
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem == r.problem {
		return
	}
	switch {
	case err == nil:
		if r.problem != errWaiting.Error() {
			r.log.Info("templates render again")
		}
	case errors.Is(err, errWaiting):
		r.log.Info("waiting for consul", "missing", strings.Join(waiting, ", "))
	default:
		r.log.Error("template failed; files stay as they are", "error", err)
	}
	r.problem = problem
}

var errWaiting = errors.New("consul has not answered everything that the templates ask for")

// render executes all templates with what Consul answered so far. It returns
// errWaiting while answers are missing.
func (r *Renderer) render(ctx context.Context) (generation.Files, error) {
	sources, err := generation.Read(r.set.Templates)
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("read templates: %s holds no files", r.set.Templates)
	}
	files := generation.Files{}
	var used, missing dependency.Set
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		target, isTemplate := cutSuffix(name)
		if !isTemplate {
			files[name] = sources[name]
			continue
		}
		output, err := r.execute(string(sources[name].Data), &used, &missing)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", filepath.Join(r.set.Templates, name), err))
			continue
		}
		files[target] = generation.File{Data: output, Mode: sources[name].Mode}
	}
	if len(problems) > 0 {
		// What the broken template asked for is not known, so watches stay as they are.
		return nil, errors.Join(problems...)
	}
	r.watches.Want(ctx, used.List())
	if missing.Len() > 0 {
		return nil, errWaiting
	}
	return files, nil
}

func cutSuffix(name string) (string, bool) {
	for _, suffix := range []string{".ctmpl", ".tmpl"} {
		if target, ok := strings.CutSuffix(name, suffix); ok {
			return target, true
		}
	}
	return name, false
}

// denied are functions of the language that reach beyond Consul: Vault and
// Nomad, commands, and files outside the set.
var denied = []string{
	"secret", "secrets", "pkiCert",
	"nomadServices", "nomadService", "nomadVarList", "nomadVarListSafe", "nomadVar", "nomadVarExists",
	"plugin", "writeToFile",
}

func (r *Renderer) execute(contents string, used, missing *dependency.Set) ([]byte, error) {
	if contents == "" {
		return nil, nil // the library calls an empty template a missing one
	}
	t, err := template.NewTemplate(&template.NewTemplateInput{Contents: contents, FunctionDenylist: denied})
	if err != nil {
		return nil, err
	}
	result, err := t.Execute(&template.ExecuteInput{Brain: r.brain})
	if err != nil {
		return nil, err
	}
	for _, d := range result.Used.List() {
		used.Add(d)
	}
	for _, d := range result.Missing.List() {
		missing.Add(d)
	}
	return result.Output, nil
}

// publish makes files the candidate, and tells whether it was another before.
func (r *Renderer) publish(files generation.Files) (bool, error) {
	published, err := r.store.Pointed(r.link())
	if err == nil && files.ID() == published {
		return false, nil
	}
	id, err := r.store.Put(files)
	if err == nil {
		err = r.store.Point(r.link(), id)
	}
	if err != nil {
		return false, fmt.Errorf("write candidate %s: %w", r.set.Candidate, err)
	}
	r.log.Info("files rendered", "generation", id, "files", len(files))
	if err := r.store.Prune(); err != nil {
		r.log.Warn("old generations stay", "error", err)
	}
	return true, nil
}
