package render

import "remora/internal/generation"

// State is how a renderer is.
type State struct {
	Generation generation.ID // the candidate's; none if there is none yet
	Err        error         // why the files are older than they should be
	Waiting    []string      // what Consul has not answered yet
}

// State may be called at any time.
func (r *Renderer) State() State {
	r.mu.Lock()
	state := r.state
	r.mu.Unlock()
	id, err := r.store.Pointed(r.link())
	state.Generation = id
	if state.Err == nil {
		state.Err = err
	}
	return state
}

// note keeps the outcome of a pass for State.
func (r *Renderer) note(err error, waiting []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(waiting) > 0 {
		err = nil
	}
	r.state = State{Err: err, Waiting: waiting}
}
