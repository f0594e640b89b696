.PHONY: check shapes slow docs bench

check:  ## what a change must pass
	ruff check
	ruff format --check
	mypy
	lint-imports
	pytest

# The checker looks at items of a tuple that it draws by `random`, of which Hypothesis warns: hence -W.
shapes:  ## the same tests, every annotated shape and type checked as it runs
	pytest -m "not slow and not unchecked" -W "ignore:Do not use the" \
		--jaxtyping-packages='wellposed,beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))'

slow:  ## the tests that take more than ten seconds each
	pytest -m slow

docs:  ## every example in the code and in the README runs
	pytest src
	pytest tests/test_readme.py -m ""

bench:  ## every benchmark, results to benchmarks/results
	for file in benchmarks/[a-z]*.py; do case $$file in */common.py) ;; *) python $$file || exit 1 ;; esac; done
