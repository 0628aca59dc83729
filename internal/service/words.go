package service

import (
	"errors"
	"strings"
)

var (
	errQuote     = errors.New("a quotation mark is not closed")
	errBackslash = errors.New("ends with a backslash")
)

// shellWords splits text into words as a POSIX shell does: at blanks, unless
// they are quoted. It is no shell: $, ~, *, | and so on stay as they are.
func shellWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false // an empty word in quotes is one
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\n':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		case '\\':
			if i++; i == len(text) {
				return nil, errBackslash
			}
			if text[i] != '\n' { // a line that goes on
				word.WriteByte(text[i])
				started = true
			}
		case '\'', '"':
			inside, length, err := quoted(text[i+1:], c)
			if err != nil {
				return nil, err
			}
			word.WriteString(inside)
			i += length
			started = true
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted returns what stands before the closing quotation mark, and how many
// bytes that is with the mark. Between double ones a backslash takes the meaning
// from what has one there.
func quoted(text string, mark byte) (inside string, length int, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == mark:
			return b.String(), i + 1, nil
		case c == '\\' && mark == '"' && i+1 < len(text) && strings.IndexByte("$`\"\\\n", text[i+1]) >= 0:
			i++
			if text[i] != '\n' {
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errQuote
}
