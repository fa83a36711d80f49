"""The page at /: a person picks a shopper, sees what each model recommends, and what a click does to it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from aisle.bundle.catalogue import Catalogue, Named
from aisle.bundle.live_catalogue import LiveCatalogue
from aisle.bundle.question import Answer, Item, Question
from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.rules import Rules
from aisle.serve.app import make_app
from aisle.serve.events.protocol import EventStore
from aisle.serve.events.sqlite import SqliteStore
from aisle.serve.keys import new_key
from aisle.serve.opening import make_service as opened
from aisle.serve.page.shop import starting_with
from aisle.serve.service import Service
from aisle.serve.settings import Settings
from aisle.storage.strings import Strings
from tests.serve.browser import Page, browser
from tests.serve.fakes import N_ITEMS, Client, FakeBundle, FakeSource, make_service, running

HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
USERS = ("u0", "u1", "u2", "u3", "v0")
LENGTHS = (5, 2, 1, 0, 3)  # events of each
DAY_US = 24 * 3600 * 10**6
UNTIL_US = 20_000 * DAY_US
READY = "document.querySelector('#columns[aria-busy=false] .column')"


@dataclass
class ShopBundle(FakeBundle):
    """Has shoppers and a catalogue, and recommends every `step`-th item that was not met.

    Item 0 has a hostile title; the even ones are tea, the others cups; i010 is sold out.
    """

    step: int = 1
    name: str = "one"
    users: Vocabulary = field(default_factory=lambda: Vocabulary(Strings.pack(USERS)))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.manifest.name = self.name
        offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
        place = np.concatenate([np.arange(length) for length in LENGTHS])
        time_us = UNTIL_US - (place.max() - place) * DAY_US
        self.known = Histories(offsets, (900 + place).astype(np.int32), np.ones(len(place), np.uint8), time_us)
        number = np.arange(N_ITEMS)
        titles = Strings.pack([HOSTILE, *(f"Thing {place}" for place in number[1:])])
        category = Named((number % 2).astype(np.int32), Vocabulary(Strings.pack(["Cups", "Tea"])))
        available = np.where(number == 10, 0, 1).astype(np.float32)
        self.catalogue = Catalogue(N_ITEMS, title=titles, category=category, price=number.astype(np.float32), available=available)
        self.live = LiveCatalogue.of(self.catalogue, self.items)  # type: ignore[assignment]

    def _answer(self, question: Question) -> Answer:
        if question.categories == ("Cups",) and self.step == 2:
            raise AisleError("none of the 1 categories is in the catalogue", hint="give names of the catalogue", code="E305")
        met = [str(event.item_id) for event in question.events]
        names = [name for name in self.items.decode(range(0, N_ITEMS, self.step)) if name not in met][: question.k]
        because = met[-1] if met else "i900"
        reason = f"similar to {because} you viewed"
        known = question.user_id is not None or bool(met)
        items = [
            Item(name, 1 / rank, rank, "model" if known else "popular", reason, because) for rank, name in enumerate(names, 1)
        ]
        return Answer(tuple(items), known)


def shop(folder: Path, *, events: bool = True, settings: Settings | None = None, bundle: ShopBundle | None = None) -> Service:
    """Two models: one recommends i000, i001, i002, ..., the other i000, i002, i004, ..."""
    sources = [FakeSource(bundle or ShopBundle("a" * 12)), FakeSource(ShopBundle("b" * 12, step=2, name="two"))]
    settings = settings or Settings(access_log=False, watch_s=0, page_notice="This shop is simulated.")

    async def open_store() -> EventStore | None:
        return await SqliteStore.open(folder / "events.db") if events else None

    return make_service(*sources, open_store=open_store, settings=settings)


@contextmanager
def listening(service: Service) -> Iterator[str]:
    """The service on a free port; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as sock, running(service) as client:
        config = uvicorn.Config(make_app(service), lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = client.begin(server.serve([sock]))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/"
        server.should_exit = True
        serving.result(30)


@pytest.fixture(scope="module")
def bundle() -> ShopBundle:
    """Of the first model."""
    return ShopBundle("a" * 12)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(shop(tmp_path_factory.mktemp("shop"))) as client:
        yield client


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, bundle: ShopBundle) -> Iterator[str]:
    """One service for all tests: each page has a session of its own, so that no test sees the clicks of another."""
    with listening(shop(tmp_path_factory.mktemp("shop"), bundle=bundle)) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        if os.environ.get("AISLE_REQUIRE_CHROMIUM") == "1":
            pytest.fail("AISLE_REQUIRE_CHROMIUM=1, and no chromium, chromium-browser or google-chrome is on the PATH")
        pytest.skip("no chromium, chromium-browser or google-chrome is on the PATH")
    with browser(executable, tmp_path_factory.mktemp("chromium")) as page:
        page.resize(1280, 900)
        yield page


@pytest.fixture
def page(chromium: Page, address: str) -> Iterator[Page]:
    """The page of the shop, loaded, with its first shopper; nothing may have gone wrong at the end."""
    chromium.forget()
    chromium.open(address)
    chromium.until(READY)
    yield chromium
    assert chromium.complaints == []
    assert {request for request in chromium.requests if not request.startswith((address, "data:"))} == set()


def titles(page: Page, variant: str) -> list[str]:
    return page.texts(f"#columns [data-variant={variant}] .item .title")


def choose(page: Page, **values: str) -> None:
    """Set fields, and say so as a browser does."""
    for field_id, value in values.items():
        page.run(f"document.getElementById('{field_id}').value = '{value}'")
    page.run("document.querySelector('#filters').dispatchEvent(new Event('change'))")


# ---- what the page asks ----


def test_the_shop_is_described_with_shoppers_of_every_kind(client: Client) -> None:
    told = client.get("/page/shop").json()
    assert [(one["variant"], one["model"], one["bundle"]) for one in told["models"]] == [
        ("main", "one", "a" * 12),
        ("other", "two", "b" * 12),
    ]
    assert (told["users"], told["items"], told["events"], told["notice"]) == (5, N_ITEMS, True, "This shop is simulated.")
    assert told["examples"] == {
        "long": [{"user_id": "u0", "events": 5}, {"user_id": "v0", "events": 3}],
        "median": [{"user_id": "u1", "events": 2}, {"user_id": "v0", "events": 3}],
        "short": [{"user_id": "u2", "events": 1}, {"user_id": "u1", "events": 2}],
        "none": [{"user_id": "u3", "events": 0}],
    }
    assert told["categories"] == [{"name": "Cups", "items": 500}, {"name": "Tea", "items": 500}]
    assert set(told["columns"]) == {"category", "price", "available"}


@pytest.mark.parametrize(("prefix", "found"), [("u", ["u0", "u1", "u2", "u3"]), ("v0", ["v0"]), ("x", []), ("", list(USERS))])
def test_shoppers_are_found_by_how_their_id_begins(client: Client, prefix: str, found: list[str]) -> None:
    answer = client.get("/page/shoppers", params={"prefix": prefix}).json()
    assert [one["user_id"] for one in answer["shoppers"]] == found


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("1", [1, 17, 100, 1000]), ("10", [100, 1000]), ("0", [0]), ("2", []), ("01", []), ("-", []), ("1" * 30, []), ("9", [9])],
)
def test_number_ids_are_found_as_they_are_written(prefix: str, found: list[int]) -> None:
    ids = Vocabulary(np.array([-3, 0, 1, 9, 17, 100, 1000]))
    assert [ids[code] for code in starting_with(ids, prefix, 20)] == found


def test_a_search_names_at_most_as_many_as_asked() -> None:
    ids = Vocabulary(np.arange(1000))
    assert list(starting_with(ids, "5", 4)) == [5, 50, 51, 52]
    assert list(starting_with(Vocabulary(Strings.pack(sorted(map(str, range(99))))), "1", 3)) == [1, 2, 3]


def test_a_history_is_what_the_bundles_and_the_events_know_newest_first(client: Client) -> None:
    event = {"event": "cart", "item_id": "i007", "session_id": "page-1"}
    assert client.post("/v1/events", json={"events": [event]}).status_code == 200
    told = client.get("/page/history", params={"user_id": "u1", "session_id": "page-1"}).json()
    rows = [(one["item_id"], one["event"], one["live"], one["title"], one["price"]) for one in told["events"]]
    assert rows == [
        ("i007", "cart", True, "Thing 7", 7.0),
        ("i901", "view", False, "Thing 901", 901.0),
        ("i900", "view", False, "Thing 900", 900.0),
    ]
    # u1 has two events, the first and the second of five days: the second was three days before the last.
    assert told["events"][1]["at"] == (UNTIL_US - 3 * DAY_US) / 1e6
    assert told["events_by_model"] == {"main": 2, "other": 2}
    assert (told["total"], told["known"], told["erased"]) == (3, True, False)


def test_a_search_counts_the_events_of_those_it_shows_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every letter that is typed, on the event loop."""
    examples = client.get("/page/shop").json()["examples"].values()
    counted = {one["user_id"]: one["events"] for kind in examples for one in kind}
    monkeypatch.setattr("aisle.serve.page.shop._lengths", None)
    for user_id, events in counted.items():
        assert {"user_id": user_id, "events": events} in client.get("/page/shoppers", params={"prefix": user_id}).json()[
            "shoppers"
        ]


def test_what_is_clicked_on_the_page_is_no_part_of_the_shoppers_own_history(client: Client) -> None:
    event = {"event": "purchase", "item_id": "i007", "session_id": "page-2"}
    client.post("/v1/events", json={"events": [event]})
    assert client.get("/page/history", params={"user_id": "u1"}).json()["total"] == 2


def test_of_an_erased_shopper_only_what_came_later_is_shown(client: Client) -> None:
    assert client.request("DELETE", "/v1/shoppers/v0").status_code == 200
    told = client.get("/page/history", params={"user_id": "v0"}).json()
    assert (told["events"], told["erased"], told["known"]) == ([], True, False)


def test_items_are_described_and_unknown_ones_left_out(client: Client) -> None:
    told = client.post("/page/items", json={"item_ids": ["i010", "nowhere"], "model": "other"}).json()
    assert told["items"] == {"i010": {"title": "Thing 10", "category": "Cups", "price": 10.0, "available": False}}


def test_everything_that_names_shoppers_needs_the_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = new_key(keys, "shop", ("recommend",))
    with running(shop(tmp_path, settings=Settings(keys=keys, access_log=False, watch_s=0))) as client:
        for path in ("/page/shop", "/page/shoppers", "/page/history"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"X-API-Key": key}).status_code == 200
        assert client.post("/page/items", json={"item_ids": []}).status_code == 401
        assert client.get("/").status_code == 200


def test_without_the_page_there_is_nothing_of_it(tmp_path: Path) -> None:
    with running(shop(tmp_path, settings=Settings(page=False, access_log=False, watch_s=0))) as client:
        for path in ("/", "/page/shop", "/page/page.js", "/page/history"):
            assert client.get(path).status_code == 404
        assert client.recommend(user_id="u1").status_code == 200


def test_the_page_may_ask_this_service_alone(client: Client) -> None:
    for path in ("/", "/page/page.css", "/page/page.js"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "innerHTML" not in answer.text
        assert "https://" not in answer.text


def test_a_real_bundle_tells_what_the_page_asks(bundle_of: Callable[[str], Path]) -> None:
    settings = Settings(access_log=False, watch_s=0)
    with running(opened(settings, str(bundle_of("popularity")))) as client:
        told = client.get("/page/shop").json()
        user_id, events = told["examples"]["long"][0].values()
        assert told["users"] > 0
        assert [one["user_id"] for one in client.get("/page/shoppers", params={"prefix": user_id}).json()["shoppers"]] == [
            user_id
        ]
        history = client.get("/page/history", params={"user_id": user_id}).json()
        assert history["events_by_model"] == {"main": events}
        assert history["events"][0]["title"]
        assert history["events"][0]["at"] >= history["events"][-1]["at"]


# ---- what a person sees ----


def test_the_page_shows_a_shopper_and_both_lists_side_by_side(page: Page) -> None:
    page.type("#shopper", "u0")
    page.until(f"document.querySelectorAll('#history li').length === 5 && {READY}")
    assert page.texts("#history .title") == [f"Thing {number}" for number in (904, 903, 902, 901, 900)]
    assert page.texts(".column h3 span:first-child") == ["main", "other"]
    assert titles(page, "main")[1:3] == ["Thing 1", "Thing 2"]
    assert titles(page, "other")[1:3] == ["Thing 2", "Thing 4"]
    assert page.texts("#columns [data-variant=main] .reason")[0] == "similar to “Thing 900” you viewed"
    assert page.texts("#columns .bundle") == ["a" * 12, "b" * 12]
    assert all(len(request_id) == 32 for request_id in page.texts("#columns .request"))
    assert all(ms.endswith(" ms") for ms in page.texts("#columns .ms"))
    assert page.texts("#notice") == ["This shop is simulated."]
    left = page.run("[...document.querySelectorAll('#columns .column')].map((one) => one.getBoundingClientRect().left)")
    assert left[0] < left[1]


def test_items_that_both_models_name_are_marked(page: Page) -> None:
    marked = page.run("[...document.querySelectorAll('[data-variant=main] .item.shared')].map((one) => one.dataset.item)")
    assert marked == ["i000", "i002", "i004", "i006", "i008"]
    assert page.texts("[data-variant=main] .mark.shared")[1] == "also #2 in other"
    page.click("#examples [data-user='']")  # somebody new: both fill up with popular items, which is no agreement
    page.until(f"document.querySelector('#history-none').textContent.startsWith('A new shopper') && {READY}")
    assert page.texts(".item.shared") == []


def test_a_click_changes_the_next_lists(page: Page) -> None:
    assert titles(page, "main")[2] == "Thing 2"
    page.click("[data-variant=main] [data-place=cart-3]")
    page.until(f"document.querySelector('#history .live') && document.querySelector('.mark.gain') && {READY}")
    assert page.texts("#history .live .title") == ["Thing 2"]
    assert "Thing 2" not in titles(page, "main") + titles(page, "other")
    assert page.texts("[data-variant=main] .item:nth-child(3) .gain") == ["▲ 1"]  # i003 was 4th
    assert page.texts("[data-variant=main] .item:nth-child(10) .gain") == ["new"]
    assert page.texts("[data-variant=main] .reason")[0] == "similar to “Thing 2” you viewed"
    assert page.texts("#status") == ["cart: Thing 2. The lists are new."]
    page.click("#again")
    page.until(f"!document.querySelector('#history .live') && {READY}")
    assert titles(page, "main")[2] == "Thing 2"


def test_the_keyboard_stays_where_it_was(page: Page) -> None:
    page.run("document.querySelector('[data-variant=other] [data-place=view-2]').focus()")
    page.press("Enter")
    page.until(f"document.querySelector('#history .live') && document.querySelector('.mark.gain') && {READY}")
    assert page.run("document.activeElement.dataset.place") == "view-2"
    assert page.run("document.activeElement.closest('.column').dataset.variant") == "other"


def test_a_hostile_title_is_shown_as_text(page: Page) -> None:
    assert titles(page, "main")[0] == HOSTILE
    page.click("[data-place=view-1]")
    page.until(f"document.querySelector('#history .live') && {READY}")
    assert page.texts("#history .live .title") == [HOSTILE]
    page.click("[data-place=similar-1]")
    page.until("document.querySelectorAll('#similar .item').length === 20 && !document.querySelector('.waiting')")
    assert page.run("document.querySelectorAll('img, main script').length") == 0
    assert page.run("document.title") == "aisle: recommendations side by side"


def test_similar_items_open_and_close_by_keyboard(page: Page) -> None:
    page.run("document.querySelector('[data-place=similar-2]').focus()")
    page.press("Enter")
    page.until("document.querySelectorAll('#similar .item').length === 20 && !document.querySelector('.waiting')")
    assert page.texts("#similar-title") == ["Similar to “Thing 1”"]
    assert page.texts("#similar [data-variant=other] .title")[:2] == ["Thing 1", "Thing 2"]
    page.press("Escape")
    assert page.run("document.querySelector('#similar').open") is False
    assert page.run("document.activeElement.dataset.place") == "similar-2"


def test_a_refusal_of_one_model_is_told_in_its_column(chromium: Page, address: str) -> None:
    chromium.forget()
    chromium.open(address)
    chromium.until(READY)
    choose(chromium, category="Cups")
    chromium.until("document.querySelector('[data-variant=other] .problem b') && !document.querySelector('.waiting')")
    said = chromium.texts("[data-variant=other] .problem")[0]
    assert said == "none of the 1 categories is in the catalogue" + "give names of the catalogue [E305]"
    assert len(titles(chromium, "main")) == 10


def test_filters_are_asked_for(page: Page, bundle: ShopBundle) -> None:
    choose(page, **{"min-price": "2.5", "max-price": "9", "k": "5"})
    page.until(f"{READY} && document.querySelectorAll('#columns .item').length === 10")
    asked = bundle.asked[-1][0]
    assert (asked.k, asked.rules) == (5, Rules(min_price=2.5, max_price=9))
    page.click("#available")
    page.until(READY)
    assert bundle.asked[-1][0].rules == Rules(min_price=2.5, max_price=9, available_only=True)
    count = len(bundle.asked)
    choose(page, **{"min-price": "-1"})  # the browser says what is wrong
    page.click("#clear")
    page.until(f"{READY} && document.querySelectorAll('#columns .item').length === 20")
    assert len(bundle.asked) == count + 1
    assert bundle.asked[-1][0].rules is None


def test_without_an_event_store_clicks_are_off(chromium: Page, tmp_path: Path) -> None:
    chromium.forget()
    with listening(shop(tmp_path, events=False)) as address:
        chromium.open(address)
        chromium.until(READY)
        assert chromium.run("document.querySelector('[data-place=buy-1]').disabled") is True
        assert chromium.run("document.querySelector('[data-place=similar-1]').disabled") is False
        assert "--events" in chromium.run("document.querySelector('[data-place=buy-1]').title")
        assert chromium.complaints == []


def test_a_missing_key_is_asked_for_and_kept_out_of_addresses(chromium: Page, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = new_key(keys, "shop", ("recommend",))
    chromium.forget()
    with listening(shop(tmp_path, settings=Settings(keys=keys, access_log=False, watch_s=0))) as address:
        chromium.open(address)
        chromium.until("!document.querySelector('#key-form').hidden")
        assert "aisle serve --new-key" in chromium.texts("#key-form")[0]
        chromium.type("#key", "aisle_wrong_key")
        chromium.until("document.querySelector('#key-why').textContent.includes('not valid')")
        chromium.type("#key", key)
        chromium.until(READY)
        assert chromium.run("document.querySelector('#key-form').hidden") is True
        # This key may not write: the page says so in words.
        chromium.click("[data-place=view-1]")
        chromium.until("!document.querySelector('#problem').hidden")
        assert "needs the scope 'events'" in chromium.texts("#problem")[0]
        assert not [request for request in chromium.requests if key in request]
        assert chromium.run("location.href") == address


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hangs_over_and_everything_can_be_read(page: Page, width: int, scheme: str) -> None:
    page.resize(width, 844, scheme)
    try:
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run(LOW_CONTRAST) == []
    finally:
        page.resize(1280, 900)


# WCAG 2.2, 1.4.3: text has 4.5 : 1 against what is behind it.
LOW_CONTRAST = """(() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = channels(colour).map((one) => linear(one / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if ((channels(colour)[3] ?? 1) === 1) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const low = [];
    for (const node of document.querySelectorAll("header *, main *")) {
        if (!node.checkVisibility() || ![...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
        const [a, b] = [getComputedStyle(node).color, behind(node)].map(light).sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) low.push(`${node.tagName}.${node.className}: ${ratio.toFixed(2)}`);
    }
    return [...new Set(low)];
})()"""
