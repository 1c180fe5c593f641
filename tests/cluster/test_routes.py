"""The routes that a cluster alone has."""

from dataclasses import replace
from pathlib import Path

from puna.api.app import create_app
from puna.cluster.routes import router
from puna.settings import Settings


def test_what_a_cluster_answers_is_described(tmp_path: Path) -> None:
    app = create_app(replace(Settings.from_env({}), home=tmp_path, models=tmp_path / "models"))
    app.include_router(router)
    paths = app.openapi()["paths"]
    asked = paths["/api/puna/cluster/drain"]["post"]["requestBody"]["content"]["application/json"]
    assert set(asked["example"]) == {"node", "drain"}
    for operation in (paths["/api/puna/cluster"]["get"], paths["/api/puna/cluster/drain"]["post"]):
        assert "nodes" in operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
