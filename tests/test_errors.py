from wellposed.errors import BadInput, NoEffect


def test_bad_input_is_a_value_error_and_prints_as_its_sentence() -> None:
    error = BadInput("Dropout.rate must be in [0, 1]. Got 1.5.")
    assert isinstance(error, ValueError)
    assert str(error) == "Dropout.rate must be in [0, 1]. Got 1.5."


def test_no_effect_is_a_warning_of_the_user() -> None:
    assert issubclass(NoEffect, UserWarning)
