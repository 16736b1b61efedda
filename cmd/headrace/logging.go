package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// logFlags are the two flags about the log that several commands have.
type logFlags struct{ level, format string }

// add makes the flags; fallback is the command's level without them.
func (f *logFlags) add(cmd *cobra.Command, fallback string) {
	cmd.Flags().StringVar(&f.level, "log-level", "", "debug, info, warn or error (default "+fallback+")")
	cmd.Flags().StringVar(&f.format, "log-format", "", "text or json (default: text on a terminal, else json)")
}

// logger returns a log to w. The level is the flag's, else fallback.
func (f *logFlags) logger(w io.Writer, fallback slog.Level) (*slog.Logger, error) {
	level := fallback
	if f.level != "" {
		if err := level.UnmarshalText([]byte(f.level)); err != nil {
			return nil, usageError{fmt.Errorf("--log-level is %q: debug, info, warn and error would work", f.level)}
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch format := f.format; {
	case format == "text", format == "" && isTerminal(w):
		return slog.New(slog.NewTextHandler(w, options)), nil
	case format == "json", format == "":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format is %q: text and json would work", f.format)}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
