"""What is said when a service cannot be had, and where its parts are looked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import Endpoints, LocalServiceError, LocalStack, endpoints
from deploy.local.jars import kafka_jars, kafka_version
from deploy.local.java import bundled_java, find_java, java_version
from deploy.local.redis import bundled_redis, find_redis, redis_version

Executable = Callable[[str, str], Path]


@pytest.fixture
def executable(tmp_path: Path) -> Executable:
    """Write a shell script as an executable file."""

    def write(name: str, script: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


def java_script(version: str) -> str:
    return f"""echo 'openjdk version "{version}" 2025-04-15' >&2"""


@pytest.mark.parametrize(
    ("printed", "version"),
    [("1.8.0_392", 1), ("11.0.2", 11), ("17.0.15", 17), ("21-ea", 21), ("25", 25), ("x", 0)],
)
def test_java_tells_its_feature_version(printed: str, version: int, executable: Executable) -> None:
    assert java_version(executable("java", java_script(printed))) == version


@pytest.mark.parametrize("script", ["exit 1", "echo nothing useful"])
def test_a_java_that_does_not_work_has_no_version(script: str, executable: Executable) -> None:
    assert java_version(executable("java", script)) == 0


def test_a_missing_java_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "java") == 0


def test_java_home_goes_before_path_and_path_before_the_bundled_one(executable: Executable) -> None:
    home = executable("home/bin/java", java_script("17.0.1"))
    on_path = executable("path/java", java_script("21.0.1"))
    bundled = executable("bundled/java", java_script("25"))
    path = {"PATH": str(on_path.parent)}

    assert find_java({**path, "JAVA_HOME": str(home.parents[1])}, bundled=bundled) == home
    assert find_java(path, bundled=bundled) == on_path
    assert find_java({}, bundled=bundled) == bundled


def test_a_java_too_old_for_kafka_is_passed_over(executable: Executable) -> None:
    old = executable("home/bin/java", java_script("11.0.2"))
    new = executable("path/java", java_script("17.0.1"))

    assert find_java({"JAVA_HOME": str(old.parents[1]), "PATH": str(new.parent)}) == new


@pytest.mark.parametrize(
    ("script", "seen"),
    [(java_script("11.0.2"), "is version 11"), ("exit 1", "is no working Java")],
)
def test_without_a_java_for_kafka_the_remedy_is_named(
    script: str, seen: str, executable: Executable
) -> None:
    java = executable("path/java", script)

    with pytest.raises(LocalServiceError, match=rf"{java} {seen}.*apt-get install.*BESS_BROKERS"):
        find_java({"PATH": str(java.parent)})


def test_without_any_java_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"none was found\. Install one .*JAVA_HOME"):
        find_java({"PATH": str(tmp_path)})


def test_the_bundled_java_and_redis_are_new_enough() -> None:
    assert find_java({}, bundled=bundled_java()) == bundled_java()
    assert find_redis({}, bundled=bundled_redis()) == bundled_redis()


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc bits=64 build=1", (7, 0)),
        ("Redis server v=6.2.14 sha=40305114:0", (6, 2)),
        ("Valkey", ()),
    ],
)
def test_redis_tells_its_version(
    printed: str, version: tuple[int, ...], executable: Executable
) -> None:
    assert redis_version(executable("redis-server", f"echo '{printed}'")) == version


def test_an_old_redis_on_path_is_passed_over(executable: Executable) -> None:
    old = executable("path/redis-server", "echo Redis server v=5.0.7 sha=0")
    bundled = executable("bundled/redis-server", "echo Redis server v=6.2.14 sha=0")

    assert find_redis({"PATH": str(old.parent)}, bundled=bundled) == bundled
    with pytest.raises(LocalServiceError, match=rf"{old} is older.*apt-get install redis-server"):
        find_redis({"PATH": str(old.parent)})


def test_without_maven_the_remedy_is_named(tmp_path: Path) -> None:
    environment = {"PATH": "", "BESS_LOCAL_DIR": str(tmp_path)}

    with pytest.raises(LocalServiceError, match=r"apt-get install maven.*Docker.*BESS_BROKERS"):
        kafka_jars(print, environment)


def test_a_stack_that_lacks_maven_leaves_nothing_running(tmp_path: Path) -> None:
    stack = LocalStack(say=print, environment={"PATH": "", "BESS_LOCAL_DIR": str(tmp_path)})

    with pytest.raises(LocalServiceError, match="apt-get install maven"), stack:
        pass
    assert stack.redis.pid is stack.kafka.pid is None


def test_maven_that_fails_is_quoted_and_leaves_no_half_a_cache(
    executable: Executable, tmp_path: Path
) -> None:
    maven = executable("bin/mvn", "echo no route to host; exit 1")
    cache = tmp_path / "cache"

    with pytest.raises(LocalServiceError, match=r"(?s)Maven cannot fetch.*no route to host"):
        kafka_jars(print, {"PATH": str(maven.parent), "BESS_LOCAL_DIR": str(cache)})
    assert list(cache.iterdir()) == []


def test_jars_are_fetched_once_and_that_is_told(executable: Executable, tmp_path: Path) -> None:
    script = """
    for word; do case $word in -DoutputDirectory=*) to=${word#*=} ;; esac; done
    mkdir "$to" && echo jar > "$to/kafka.jar"
    """
    maven = executable("bin/mvn", script)
    cache = {"BESS_LOCAL_DIR": str(tmp_path / "cache")}
    said: list[str] = []

    fetched = kafka_jars(said.append, {**cache, "PATH": f"{maven.parent}:/bin"})
    kept = kafka_jars(said.append, {**cache, "PATH": ""})

    assert kept == fetched
    assert (kept / "kafka.jar").read_text() == "jar\n"
    assert said == [f"fetching Kafka {kafka_version()} jars with Maven (43 MB, once)"]


def test_services_named_in_the_environment_are_used_and_nothing_is_started() -> None:
    given = Endpoints("kafka.example:9092", "redis://redis.example:6379/1")
    said: list[str] = []

    with endpoints(said.append, given.environment()) as services:
        assert services == given
    assert said == []


@pytest.mark.parametrize("name", ["BESS_BROKERS", "BESS_REDIS_URL"])
def test_half_a_pair_in_the_environment_is_refused(name: str) -> None:
    with (
        pytest.raises(LocalServiceError, match="set both BESS_BROKERS and BESS_REDIS_URL"),
        endpoints(print, {name: "somewhere"}),
    ):
        pass
