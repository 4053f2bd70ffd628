"""STOP and its kin, in every language and country that docs list, with the rules for words that mean two things."""

import pytest

from messages.keywords import Command, command_of

OPT_OUT = {
    "US": "STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT stop Stop. STOP! UNSUB REMOVE TD",
    "ES": "ALTO BAJA PARAR CANCELAR DETENER STOP",
    "FR": "ARRET ARRÊT ARRETE ARRETT STOP DESABONNER DÉSABONNER DESABONNEMENT DESINSCRIRE ANNULER",
    "CA": "ARRET ARRÊT STOP",
    "CN": "R T TD N 退订 拒收 取消 取消订阅 不要再发 别发了 停止 td ＴＤ",
    "TW": "取消訂閱 停止",
}
PHRASES = {
    "US": ["STOP ALL", "OPT OUT", "OPT-OUT", "remove me", "remove my name", "take me off this list", "lose my number",
           "don't contact me", "do not text", "delete my number", "I opt out", "leave me alone", "no more texts"],
    "ES": ["no mas", "no más mensajes", "quitarme", "dar de baja", "dejar de recibir"],
    "FR": ["ne plus recevoir", "retirez-moi"],
}  # fmt: skip
OPT_IN = {"US": "START UNSTOP SUBSCRIBE JOIN", "ES": "ALTA INICIAR COMENZAR START", "FR": "DEBUT REPRENDRE START",
          "CN": "订阅 恢复 开始"}  # fmt: skip
HELP = {"US": "HELP INFO SUPPORT", "ES": "AYUDA INFO", "FR": "AIDE INFO CONTACT", "CN": "帮助 客服"}


def each(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(country, word) for country, words in table.items() for word in words.split()]


@pytest.mark.parametrize(("country", "word"), each(OPT_OUT))
def test_every_listed_word_of_every_country_opts_out(country: str, word: str) -> None:
    assert command_of(word, country=country) is Command.OPT_OUT


@pytest.mark.parametrize(("country", "phrase"), [(c, p) for c, phrases in PHRASES.items() for p in phrases])
def test_listed_phrases_opt_out_as_whole_messages(country: str, phrase: str) -> None:
    assert command_of(phrase, country=country) is Command.OPT_OUT


@pytest.mark.parametrize(("country", "word"), each(OPT_IN))
def test_every_listed_word_opts_in(country: str, word: str) -> None:
    assert command_of(word, country=country) is Command.OPT_IN


@pytest.mark.parametrize(("country", "word"), each(HELP))
def test_every_listed_word_asks_for_help(country: str, word: str) -> None:
    assert command_of(word, country=country) is Command.HELP


def test_a_person_is_asked_for_by_one_word() -> None:
    assert command_of("人工", country="CN") is Command.CALLBACK
    assert command_of("agent", country="US") is Command.CALLBACK


@pytest.mark.parametrize("letter", ["R", "T", "N"])
def test_single_letters_count_only_for_china(letter: str) -> None:
    assert command_of(letter, country="CN") is Command.OPT_OUT
    assert command_of(letter, language="zh") is Command.OPT_OUT
    assert command_of(letter, country="US") is None
    assert command_of(letter, language="en") is None


@pytest.mark.parametrize("word", ["YES", "SI", "OUI", "1"])
def test_yes_opts_in_only_while_opted_out_and_no_survey_is_open(word: str) -> None:
    assert command_of(word, opted_out=True, survey_open=False) is Command.OPT_IN
    assert command_of(word, opted_out=True, survey_open=True) is None
    assert command_of(word, opted_out=False, survey_open=False) is None


def test_a_command_said_twice_or_loudly_is_one_command() -> None:
    assert command_of("TD TD", country="CN") is Command.OPT_OUT
    assert command_of("STOP!!! STOP") is Command.OPT_OUT
    assert command_of("「退訂」") is Command.OPT_OUT


def test_contact_is_help_in_france_alone() -> None:
    assert command_of("contact", country="FR") is Command.HELP
    assert command_of("contact", country="US") is None


@pytest.mark.parametrize("text", ["stop by any time", "the bus stop", "取消订单", "help yourself", "end to end", ""])
def test_a_word_inside_a_sentence_is_no_command(text: str) -> None:
    assert command_of(text) is None
