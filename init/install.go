package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// siblings are where the volumes of the other programs' images show theirs.
var siblings = []string{"/remora-sidecar/sidecar", "/remora-reloader/reloader"}

// install copies init, and the other programs if they are attached too, to a
// directory: a volume of a container that cannot use volumes_from.
func install(log *slog.Logger, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("install: own binary: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if err := copyProgram(self, filepath.Join(dir, "init")); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	log.Info("program installed", "path", filepath.Join(dir, "init"))
	for _, from := range siblings {
		to := filepath.Join(dir, filepath.Base(from))
		err := copyProgram(from, to)
		if errors.Is(err, errNoSource) {
			continue // its image is not attached
		}
		if err != nil {
			return fmt.Errorf("install: %w", err)
		}
		log.Info("program installed", "path", to)
	}
	return nil
}

var errNoSource = errors.New("is not there")

// copyProgram makes the file to a copy of from, at once: whoever runs it meanwhile
// has the old or the new one, whole. A running program cannot be written to
// (ETXTBSY), but its name can be given to another file.
func copyProgram(from, to string) (err error) {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", from, errNoSource)
	}
	if err != nil {
		return err
	}
	defer source.Close()
	temporary, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name()) // or what is left of it stays
		}
	}()
	_, err = io.Copy(temporary, source)
	if err == nil {
		err = temporary.Chmod(0o755)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), to)
}
