# The same as python3 dev.py demo and python3 dev.py test, for those who have make.
PYTHON ?= python3

.PHONY: demo test
demo test:
	@$(PYTHON) dev.py $@
