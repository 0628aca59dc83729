package main

import (
	"context"
	"syscall"

	"remora/internal/proc"
	"remora/internal/settings"
)

// depart takes the instances out of Consul, or leaves them there out of traffic
// with the reason, as REMORA_DEREGISTER says.
func (e *enrolment) depart(ctx context.Context, s settings.Init, success bool, reason string) {
	if s.Deregister == settings.DeregisterNever || s.Deregister == settings.DeregisterOnSuccess && !success {
		e.Leave(ctx, stopReserve, reason)
		return
	}
	e.Deregister(ctx, stopReserve)
}

// success tells whether an app that ended so did well: it ended with 0 or by a
// signal, or with the code of the stop signal, which is how a Java machine ends
// that caught it.
func (s *supervisor) success(status syscall.WaitStatus) bool {
	stop, asked := s.stopped.(syscall.Signal)
	code := proc.ExitCode(status)
	return code == 0 || status.Signaled() || asked && code == 128+int(stop)
}
