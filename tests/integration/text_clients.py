# SPDX-License-Identifier: MIT
"""The embedding classes for OpenAI of LangChain and LlamaIndex, against a server of ours.

They bring 80 packages (350 MB), so they have an environment of their own, build/venv-clients, which environment() makes. As a
program it runs inside: `text_clients.py CLIENT BASE_URL`, a JSON list of texts on stdin, their vectors on stdout."""
import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys

STRANGER = "http://127.0.0.1:1/what-somebody-typed.jpg"
REQUIREMENTS = pathlib.Path(__file__).parents[1] / "requirements-clients.txt"


def environment():
    """:return: the Python that has the clients; the environment is made where it is missing or has other versions."""
    folder = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"]).parent / "venv-clients"
    stamp = folder / ".requirements"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True)
        shutil.copy(REQUIREMENTS, stamp)
    return folder / "bin" / "python"


def langchain(url, texts):
    from langchain_openai import OpenAIEmbeddings

    # Without this it sends the token ids of OpenAI's models.
    model = OpenAIEmbeddings(model="clip", base_url=url, api_key="none", check_embedding_ctx_length=False)
    later = asyncio.run(model.aembed_query(texts[1]))
    careful = OpenAIEmbeddings(model="clip", base_url=url, api_key="none", check_embedding_ctx_length=False,
                               model_kwargs={"extra_body": {"modality": "text"}})
    return {"documents": model.embed_documents(texts), "query": model.embed_query(texts[0]), "later": later,
            "stranger": careful.embed_query(STRANGER)}


def llama_index(url, texts):
    from llama_index.embeddings.openai import OpenAIEmbedding

    model = OpenAIEmbedding(model_name="clip", api_base=url, api_key="none", embed_batch_size=3)
    later = asyncio.run(model.aget_text_embedding(texts[1]))
    return {"documents": model.get_text_embedding_batch(texts), "query": model.get_query_embedding(texts[0]), "later": later}


CLIENTS = {"langchain": langchain, "llama_index": llama_index}

if __name__ == "__main__":
    json.dump(CLIENTS[sys.argv[1]](sys.argv[2], json.load(sys.stdin)), sys.stdout)
