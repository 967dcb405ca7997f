// Evaluates the conditions of an AnalysisTemplate by the library of Argo Rollouts 1.10 at its version. stdin: a JSON
// list of objects with condition and result; stdout: a JSON list of booleans.
package main

import (
	"encoding/json"
	"os"

	"github.com/expr-lang/expr"
)

type question struct {
	Condition string `json:"condition"`
	Result    any    `json:"result"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := []bool{}
	for _, one := range questions {
		environment := map[string]any{"result": one.Result}
		program, err := expr.Compile(one.Condition, expr.Env(environment), expr.AsBool())
		if err != nil {
			panic(err)
		}
		answer, err := expr.Run(program, environment)
		if err != nil {
			panic(err)
		}
		answers = append(answers, answer.(bool))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
